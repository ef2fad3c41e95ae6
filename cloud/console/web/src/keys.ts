// Keyboard of the reading page: one table from key to action, silent while a person types or moves a slider.
import { onMounted, onUnmounted } from 'vue';

import { session } from './session';

// A handle on a still takes its own keys itself and leaves the others to the page.
const OWN_KEYS = 'input, textarea, select, [contenteditable], [role="slider"]:not(svg *), [role="dialog"]';

export function useKeys(pressed: Record<string, () => void>, released: Record<string, () => void> = {}): void {
  const run = (table: Record<string, () => void>) => (event: KeyboardEvent) => {
    if (session.phase !== 'in') return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = table[key];
    if (!action) return;
    const own = event.target instanceof Element && event.target.closest(OWN_KEYS);
    // A release always counts: what was held must not stay held.
    if (own && event.type === 'keydown') return;
    event.preventDefault();
    action();
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
