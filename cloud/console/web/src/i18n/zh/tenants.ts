import type en from '../en/tenants';

const tenants: typeof en = {
  tenants: {
    title: '机构',
    intro: '共用本服务器的医院或科室。各机构的人员只能看到本机构的设备、打印、检查和序列，看不到其他机构的任何内容。',
    short: '短名称（不可更改）',
    shortHint: 'a-z、0-9、-',
    name: '名称',
    add: '新建机构',
    rename: '重命名',
    renameAsk: '{name} 的新名称',
    since: '创建时间',
    of: '所属机构',
    ofUser: '{name} 的所属机构',
    ofDevice: '{device} 的所属机构',
    site: '整个站点',
    only: '只有一个机构时，所有内容都属于该机构，页面上不显示机构信息。',
    moveAsk: '将 {device} 划归 {name}？今后发送的内容归该机构，此前发送的内容保持不变。',
    moveUserAsk: '今后让 {user} 查看 {name} 的数据？其登录会话将结束。',
  },
};

export default tenants;
