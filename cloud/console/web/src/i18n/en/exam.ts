import type { Examination } from '../../api/client';

const exam = {
  exam: {
    number: 'Examination #{n}',
    search: 'Number, pseudonym, device, finding',
    searchLabel: 'Search the worklist',
    loading: 'Loading',
    failed: 'The server gave no answer.',
    again: 'Try again',
    notFound: 'Nothing is found.',
    prints: '{n} print | {n} prints',
    printsTitle: 'Prints',
    reviewed: 'images reviewed by a person',
    byDeviceAndTime: 'by device and time',
    bound: {
      study: 'by the machine\'s study',
      device_and_time: 'by device and time',
      person: 'put together by a person',
    } satisfies Record<Examination['bound_by'], string>,
    boundBy: {
      study: 'The machine says that these prints are one examination.',
      device_and_time: 'Nobody says that these prints are one examination: a guess by device and pause.',
      person: 'A person has put these prints together.',
    } satisfies Record<Examination['bound_by'], string>,
    signed: 'Signed',
    signedBy: 'Signed by {name}, {time}',
    changedAfter: 'Changed after signing',
    changedBrief: 'Changed',
    parts: 'Parts of the examination',
    part: { image: 'Image', whole: 'Examination' },
    earlier: 'Earlier examinations',
    noEarlier: 'There is no earlier one under this pseudonym.',
  },
};

export default exam;
