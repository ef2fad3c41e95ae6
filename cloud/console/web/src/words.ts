// Names of what models and the edge say; a name that the page does not know yet is shown as it is.
import { computed, type ComputedRef } from 'vue';
import { useI18n } from 'vue-i18n';

import type { Language } from './i18n';
import en from './i18n/en';
import type { Problem } from './session';

type Translate = (key: string) => string;

/** The class of the brain that every other one is an abnormality beside. */
export const NORMAL = 'normal';

export const findingName = (t: Translate, finding: string): string =>
  finding in en.finding ? t(`finding.${finding}`) : finding;

export const planeName = (t: Translate, plane: string): string =>
  plane in en.plane ? t(`plane.${plane}`) : plane;

export const subplaneName = (t: Translate, subplane: string): string =>
  subplane in en.subplane.name ? t(`subplane.name.${subplane}`) : subplane;

/** Who it was: a person by name, a machine as such. */
export const whoName = (actor: string): string => actor.replace(/^user:/, '');

/** Why something was not done, in words. */
export const problemText = (t: Translate, problem: Problem): string =>
  t(problem in en.examRefusal ? `examRefusal.${problem}` : `refusal.${problem}`);

export function useLanguage(): ComputedRef<Language> {
  const { locale } = useI18n();
  return computed(() => (locale.value === 'zh' ? 'zh' : 'en'));
}
