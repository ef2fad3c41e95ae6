// The time of day, once a second, shared by everything that shows an age.
import { onScopeDispose, readonly, ref, type Ref } from 'vue';

export function useNow(): Readonly<Ref<number>> {
  const now = ref(Date.now());
  const timer = setInterval(() => (now.value = Date.now()), 1000);
  onScopeDispose(() => clearInterval(timer));
  return readonly(now);
}
