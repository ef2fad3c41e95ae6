// Full screen of one element. Left when the session is locked or ends: nothing may stay in sight then.
import { onMounted, onUnmounted, ref, watch, type Ref } from 'vue';

import { session } from '../session';

export function useFull(element: Ref<HTMLElement | undefined>) {
  const full = ref(false);
  const changed = () => (full.value = document.fullscreenElement === element.value);
  const leave = () => void (document.fullscreenElement && document.exitFullscreen());
  watch(() => session.phase, (phase) => phase !== 'in' && leave());
  onMounted(() => document.addEventListener('fullscreenchange', changed));
  onUnmounted(() => document.removeEventListener('fullscreenchange', changed));
  const toggle = () => {
    if (full.value) leave();
    // A browser that refuses leaves all as it was.
    else element.value?.requestFullscreen().catch(() => undefined);
  };
  return { full, toggle };
}
