// The growth standards' curves, asked for once each: one source of formulas, the server's.
import { shallowReactive } from 'vue';

import { api, type GrowthCurves, type Measure } from '../api/client';

/** A length that was measured, to be placed on its curves. */
export interface Measured {
  measure: Measure;
  mm: number;
  /** One sigma, mm; null where it is not known. */
  sd: number | null;
}

const known = shallowReactive(new Map<Measure, GrowthCurves>());
const failed = shallowReactive(new Set<Measure>());

export const curvesOf = (measure: Measure): GrowthCurves | undefined => known.get(measure);
export const curvesFailed = (measure: Measure): boolean => failed.has(measure);

export async function fetchCurves(measure: Measure): Promise<void> {
  if (known.has(measure)) return;
  failed.delete(measure);
  try {
    const { data } = await api.GET('/api/growth/{measure}', { params: { path: { measure } } });
    if (data) known.set(measure, data);
    else failed.add(measure);
  } catch {
    failed.add(measure);
  }
}

export const MEDIAN = 50;

/** The curve of one centile as points: weeks, millimetres. */
export const curve = (curves: GrowthCurves, place: number): [number, number][] =>
  curves.weeks.map((week) => [week.weeks, week.mm[place] ?? 0]);

/** Whether the standard says anything at this age. */
export function covers(curves: GrowthCurves, weeks: number): boolean {
  const [first, last] = [curves.weeks.at(0)?.weeks, curves.weeks.at(-1)?.weeks];
  return first !== undefined && last !== undefined && weeks >= first && weeks <= last;
}
