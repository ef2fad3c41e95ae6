// Keyboard of the reading page: one table from key to action, silent while a person types or moves a slider.
import { onMounted, onUnmounted } from 'vue';

import { session } from './session';

type Pressed = Record<string, (event: KeyboardEvent) => void>;

// Enter and Space work what has the focus.
const WORKED = 'button, a, summary';
const WORKING = new Set(['Enter', ' ']);
// A slider that has the focus keeps the keys that move it, and no letter.
const SLIDER = 'input[type="range"]';
const MOVING = /^(Arrow|Page|Home|End)/;
// A handle on a still takes its own keys itself and leaves the others to the page.
const OWN_KEYS =
  'input:not([type="range"]), textarea, select, [contenteditable], [role="slider"]:not(svg *), [role="dialog"]';

const keeps = (target: Element, key: string): boolean =>
  Boolean(
    target.closest(OWN_KEYS) ??
      (WORKING.has(key) ? target.closest(WORKED) : MOVING.test(key) && target.closest(SLIDER)),
  );

export function useKeys(pressed: Pressed, released: Record<string, () => void> = {}): void {
  const run = (table: Pressed) => (event: KeyboardEvent) => {
    if (session.phase !== 'in') return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = table[key];
    if (!action) return;
    // A release always counts: what was held must not stay held.
    if (event.type === 'keydown' && event.target instanceof Element && keeps(event.target, key)) return;
    event.preventDefault();
    action(event);
  };
  const [down, up] = [run(pressed), run(released)];
  const letGo = () => Object.values(released).forEach((action) => action());
  onMounted(() => {
    window.addEventListener('keydown', down);
    window.addEventListener('keyup', up);
    window.addEventListener('blur', letGo);
  });
  onUnmounted(() => {
    window.removeEventListener('keydown', down);
    window.removeEventListener('keyup', up);
    window.removeEventListener('blur', letGo);
  });
}
