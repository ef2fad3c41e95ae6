// Names of what models and the edge say; a name that the page does not know yet is shown as it is.
import { computed, type ComputedRef } from 'vue';
import { useI18n } from 'vue-i18n';

import type { Language } from './i18n';
import en from './i18n/en';

type Translate = (key: string, named?: Record<string, unknown>) => string;

/** The class of the brain that every other one is an abnormality beside. */
export const NORMAL = 'normal';

export const findingName = (t: Translate, finding: string): string =>
  finding in en.finding ? t(`finding.${finding}`) : finding;

export const planeName = (t: Translate, plane: string): string =>
  plane in en.plane ? t(`plane.${plane}`) : plane;

export const subplaneName = (t: Translate, subplane: string): string =>
  subplane in en.subplane.name ? t(`subplane.name.${subplane}`) : subplane;

/** A gestational age in weeks and days, to the nearest day. */
export function ageText(t: Translate, days: number): string {
  const whole = Math.round(days);
  return t('growth.weeks', { w: Math.floor(whole / 7), d: whole % 7 });
}

export function useLanguage(): ComputedRef<Language> {
  const { locale } = useI18n();
  return computed(() => (locale.value === 'zh' ? 'zh' : 'en'));
}
