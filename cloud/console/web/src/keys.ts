// Keyboard of the reading page: one table from key to action, silent while a person types or moves a slider.
import { onMounted, onUnmounted } from 'vue';

import { session } from './session';

type Pressed = Record<string, (event: KeyboardEvent) => void>;

// Enter and Space work what has the focus.
const WORKED = 'button, a, summary';
const WORKING = new Set(['Enter', ' ']);
const OWN_KEYS = 'input, textarea, select, [contenteditable], [role="slider"], [role="dialog"]';

export function useKeys(pressed: Pressed, released: Record<string, () => void> = {}): void {
  const run = (table: Pressed) => (event: KeyboardEvent) => {
    if (session.phase !== 'in') return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = table[key];
    if (!action) return;
    const target = event.target instanceof Element ? event.target : undefined;
    const own = target?.closest(OWN_KEYS) ?? (WORKING.has(key) && target?.closest(WORKED));
    // A release always counts: what was held must not stay held.
    if (own && event.type === 'keydown') return;
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
