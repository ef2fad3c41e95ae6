// A form that waits for the server: one call at a time, and what it refused.
import { ref, type Ref } from 'vue';

import type { Outcome, Problem } from './session';

export type Form = {
  busy: Ref<boolean>;
  problem: Ref<Problem | undefined>;
  afterS: Ref<number | undefined>;
  /** Makes the call; what it gave, undefined where it was refused. */
  submit: <T>(call: () => Promise<Outcome<T>>) => Promise<{ data: T } | undefined>;
};

export function useForm(): Form {
  const busy = ref(false);
  const problem = ref<Problem>();
  const afterS = ref<number>();

  async function submit<T>(call: () => Promise<Outcome<T>>): Promise<{ data: T } | undefined> {
    if (busy.value) return undefined;
    busy.value = true;
    const outcome = await call();
    busy.value = false;
    problem.value = outcome.ok ? undefined : outcome.problem;
    afterS.value = outcome.ok ? undefined : outcome.afterS;
    return outcome.ok ? { data: outcome.data } : undefined;
  }

  return { busy, problem, afterS, submit };
}
