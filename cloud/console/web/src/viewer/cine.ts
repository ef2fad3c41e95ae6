// Plays a stack: the next frame when its time has come and it is there.
import { onScopeDispose, ref, watch, type Ref } from 'vue';

export const RATE_MIN = 1;
export const RATE_MAX = 60;

/** Frames per second from the time of one; where that is unknown, a usual rate. */
export const rateOf = (frameTimeMs: number | null | undefined): number =>
  frameTimeMs ? Math.min(RATE_MAX, Math.max(RATE_MIN, Math.round(1000 / frameTimeMs))) : 10;

export function useCine(rate: Ref<number>, ready: () => boolean, next: () => void) {
  const playing = ref(false);
  let asked = 0;
  let due = 0;

  function tick(now: number): void {
    asked = requestAnimationFrame(tick);
    if (now < due || !ready()) return;
    // A frame that came late does not make the ones after it hurry.
    due = Math.max(due + 1000 / rate.value, now);
    next();
  }
  watch(playing, (is) => {
    cancelAnimationFrame(asked);
    if (is) {
      due = performance.now() + 1000 / rate.value;
      asked = requestAnimationFrame(tick);
    }
  });
  onScopeDispose(() => cancelAnimationFrame(asked));
  return { playing, toggle: () => (playing.value = !playing.value) };
}
