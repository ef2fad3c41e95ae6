const report = {
  report: {
    title: 'Report',
    back: 'Worklist',
    tools: 'Report tools',
    language: 'Language of the report',
    allHeat: 'All heat maps',
    print: 'Print',
    pdf: 'PDF',
    preparing: 'Making the PDF',
    loading: 'Putting the report together',
    gone: 'There is no such examination',
    goneText: 'Its prints may have been moved to another one. Look on the worklist.',
    failed: 'The server gave no report',
    failedText: 'Nothing is lost; try again.',
    again: 'Try again',
    pdfFailed: 'The PDF could not be made. Try again, or print this page.',
  },
};

export default report;
