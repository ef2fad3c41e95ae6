// A measured length and its age in words.
import type { Measured } from './curves';
import { withSd } from '../format';

type Translate = (key: string, values?: Record<string, unknown>) => string;

export const measureName = (t: Translate, measure: string): string => t(`growth.name.${measure}`);

export function weeksText(t: Translate, days: number): string {
  const whole = Math.round(days);
  return t('growth.weeks', { w: Math.floor(whole / 7), d: whole % 7 });
}

/** What was measured, at which age, and whether the curves reach there. */
export function placeText(t: Translate, { mm, sd }: Measured, days: number | undefined, covered: boolean): string {
  const value = withSd(mm, sd);
  if (days === undefined) return t('chart.only', { value });
  return t(covered ? 'chart.at' : 'chart.outside', { value, age: weeksText(t, days) });
}
