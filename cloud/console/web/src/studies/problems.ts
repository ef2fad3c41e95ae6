// Why an act on a study was not done, in the page's words.
import en from '../i18n/en';
import type { Problem } from '../session';

type Translate = (key: string) => string;

export const problemText = (t: Translate, problem: Problem): string =>
  t(problem in en.studies.refused ? `studies.refused.${problem}` : `refusal.${problem}`);
