import type en from '../en/exam';

// Typed as the English messages: a missing or extra key does not compile.
const exam: typeof en = {
  exam: {
    number: '检查 #{n}',
    search: '编号、患者代号、设备、判读结果',
    searchLabel: '搜索工作列表',
    loading: '正在加载',
    failed: '服务器没有响应。',
    again: '重试',
    notFound: '未找到匹配的检查。',
    prints: '{n} 次打印',
    printsTitle: '打印',
    reviewed: '已由医生复核的图像',
    byDeviceAndTime: '按设备和时间归组',
    bound: { study: '按设备的检查号', device_and_time: '按设备和时间归组', person: '人工归组' },
    boundBy: {
      study: '设备标明这些打印属于同一次检查。',
      device_and_time: '没有身份信息表明这些打印属于同一次检查：仅按设备和打印间隔推测。',
      person: '这些打印由人工归为一次检查。',
    },
    signed: '已签署',
    signedBy: '{name} 签署，{time}',
    changedAfter: '签署后有变更',
    changedBrief: '有变更',
    parts: '检查的内容',
    part: { image: '图像', whole: '检查' },
    earlier: '既往检查',
    noEarlier: '此患者代号下没有既往检查。',
  },
};

export default exam;
