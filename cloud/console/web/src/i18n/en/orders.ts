const orders = {
  orders: {
    title: 'From edge agents',
    arriving: 'Arriving',
    here: 'All here',
    of: '{n} of {count} files',
    noLabel: 'without a label',
    setAside: 'no file left out | {n} file left out at the agent | {n} files left out at the agent',
    count: '{n} ×',
  },
};

export default orders;
