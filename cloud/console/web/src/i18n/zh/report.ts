import type en from '../en/report';

// Typed as the English messages: a missing or extra key does not compile.
const report: typeof en = {
  report: {
    title: '报告',
    back: '工作列表',
    tools: '报告工具',
    language: '报告语言',
    allHeat: '全部热力图',
    print: '打印',
    pdf: 'PDF',
    preparing: '正在生成 PDF',
    loading: '正在生成报告',
    gone: '没有该检查',
    goneText: '其图像可能已归入其他检查，请在工作列表中查找。',
    failed: '服务器未返回报告',
    failedText: '数据没有丢失，请重试。',
    again: '重试',
    pdfFailed: '无法生成 PDF。请重试，或直接打印本页。',
  },
};

export default report;
