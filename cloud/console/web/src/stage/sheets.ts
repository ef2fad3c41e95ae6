// What a person has drawn on each still, with every step that can be undone. Kept by image while the page is open,
// never sent.
import { shallowReactive, watch } from 'vue';

import { session } from '../session';
import type { Shape } from './geometry';

export interface Drawn {
  /** Number of its own on this still. */
  id: number;
  shape: Shape;
}

export interface Sheet {
  drawn: readonly Drawn[];
  /** What was there before each step, oldest first. */
  past: readonly (readonly Drawn[])[];
  selected: number | undefined;
}

const PAST_MAX = 100;
const kept = new Map<string, Sheet>();
watch(() => session.phase, (phase) => phase === 'out' && kept.clear());

export function sheetOf(imageId: string): Sheet {
  const known = kept.get(imageId) ?? shallowReactive<Sheet>({ drawn: [], past: [], selected: undefined });
  kept.set(imageId, known);
  return known;
}

/** Keeps what is there now as a step to go back to. */
export function keep(sheet: Sheet): void {
  sheet.past = [...sheet.past, sheet.drawn].slice(-PAST_MAX);
}

export function add(sheet: Sheet, shape: Shape): number {
  keep(sheet);
  const id = 1 + Math.max(0, ...sheet.past.flat().map((one) => one.id), ...sheet.drawn.map((one) => one.id));
  sheet.drawn = [...sheet.drawn, { id, shape }];
  sheet.selected = id;
  return id;
}

/** Changes a shape without a step of its own: `keep` goes before a whole movement. */
export function change(sheet: Sheet, id: number, shape: Shape): void {
  sheet.drawn = sheet.drawn.map((one) => (one.id === id ? { id, shape } : one));
}

export function remove(sheet: Sheet, id: number): void {
  keep(sheet);
  sheet.drawn = sheet.drawn.filter((one) => one.id !== id);
  sheet.selected = undefined;
}

export function undo(sheet: Sheet): void {
  const before = sheet.past.at(-1);
  if (!before) return;
  sheet.past = sheet.past.slice(0, -1);
  sheet.drawn = before;
  if (!before.some((one) => one.id === sheet.selected)) sheet.selected = undefined;
}
