// A measurement that is being set: by drag, by one press for each point, or by keys.
import { shallowRef, type Ref } from 'vue';

import { isKind, KINDS, type Kind } from './measures';
import { apart, type Point } from './sheet';
import type { Tool } from './tools';

const NEAR_PX = 5;
const CLOSING_PX = 10;

/** `scale` is the sheet length of one CSS pixel. */
export function useDraft(tool: () => Tool, scale: () => number, done: (kind: Kind, points: Point[]) => void) {
  /** Points that are set, and last the one that follows the pointer. */
  const points: Ref<Point[]> = shallowRef([]);

  const drop = () => (points.value = []);

  function drag(at: Point): void {
    if (points.value.length) points.value = [...points.value.slice(0, -1), at];
  }

  function press(at: Point): void {
    if (points.value.length) drag(at);
    else points.value = [at, at];
  }

  function close(): void {
    const kind = tool();
    // The last point only followed the pointer.
    const set = points.value.slice(0, -1);
    if (kind === 'polygon' && set.length >= 3) done(kind, set);
    drop();
  }

  function lift(): void {
    const kind = tool();
    const [last, before, first] = [points.value.at(-1), points.value.at(-2), points.value[0]];
    if (!isKind(kind) || !last || !before || !first) return;
    if (apart(last, before) <= NEAR_PX * scale()) return;
    if (kind === 'polygon' && points.value.length > 3 && apart(last, first) <= CLOSING_PX * scale()) close();
    else if (points.value.length === KINDS[kind]) {
      const whole = points.value;
      drop();
      done(kind, whole);
    } else points.value = [...points.value, last];
  }

  return { points, press, drag, lift, close, drop };
}
