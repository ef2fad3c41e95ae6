import type en from '../en/orders';

// Typed as the English messages: a missing or extra key does not compile.
const orders: typeof en = {
  orders: {
    title: '来自边缘代理',
    arriving: '正在接收',
    here: '已全部到达',
    of: '{count} 个文件中的 {n} 个',
    noLabel: '未加标签',
    setAside: '无文件被排除 | 代理端排除 {n} 个文件 | 代理端排除 {n} 个文件',
    count: '{n} 个：',
  },
};

export default orders;
