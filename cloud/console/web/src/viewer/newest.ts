// Of many wishes only the newest is answered: one call is under way, and the newest wish waits for its end.
// A call that takes too long, or is coarser than what is wished now, is given up.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue';

import type { Said } from '../api/client';
import { session, type Problem } from '../session';

/** `why` stands in the answer of a conflict: no planes can be cut, the series changed, a newer call came. */
export type Given<T> = { ok: true; data: T } | { ok: false; problem: Problem | 'CONFLICT'; why?: Said };

const PATIENCE_MS = 250;
const RETRY_MS = 2000;
const OVERTAKEN_RETRY_MS = 200;
// The session's own overlay says what is to be said.
const SILENT = new Set<Problem | 'CONFLICT'>(['LOCKED', 'SESSION_ENDED', 'SIGN_IN_NEEDED']);
const AGAIN = new Set<Problem | 'CONFLICT'>(['OFFLINE', 'BUSY']);
const OVERTAKEN = 'superseded';
const CHANGED = 'changed';

type Running = { stop: AbortController; since: number; fine: boolean };

/** `name` tells wishes apart: one of the same name as the newest is not asked for again. */
export function useNewest<W extends { fine: boolean; version: number }, T>(
  wish: () => W | undefined,
  name: (wish: W) => string,
  call: (wish: W, signal: AbortSignal) => Promise<Given<T>>,
) {
  const got: Ref<{ wish: W; data: T } | undefined> = shallowRef();
  const problem = ref<Problem | 'CONFLICT'>();
  const why = shallowRef<Said>();
  /** The version of the series that a newer one has replaced, as the server said. */
  const outdated = ref<number>();
  /** From the newest answered wish to its answer. */
  const ms = ref<number>();
  let running: Running | undefined;
  let waiting: { wish: W; since: number } | undefined;
  let retry = 0;

  async function start(next: W, since: number): Promise<void> {
    const mine: Running = { stop: new AbortController(), since: performance.now(), fine: next.fine };
    running = mine;
    waiting = undefined;
    clearTimeout(retry);
    const given = await call(next, mine.stop.signal);
    // Given up meanwhile: another call has taken its place.
    if (running !== mine) return;
    running = undefined;
    if (given.ok) {
      got.value = { wish: next, data: given.data };
      ms.value = performance.now() - since;
      problem.value = why.value = undefined;
    } else refused(next, given.problem, given.why);
    goOn();
  }

  function goOn(): void {
    if (waiting) void start(waiting.wish, waiting.since);
  }

  function refused(wished: W, reason: Problem | 'CONFLICT', said: Said | undefined): void {
    const overtaken = said?.code === OVERTAKEN;
    problem.value = SILENT.has(reason) || overtaken ? undefined : reason;
    why.value = overtaken ? undefined : said;
    if (said?.code === CHANGED) outdated.value = wished.version;
    const wait_ms = overtaken ? OVERTAKEN_RETRY_MS : RETRY_MS;
    if ((AGAIN.has(reason) || overtaken) && !waiting) retry = window.setTimeout(() => ask(wished), wait_ms);
  }

  function ask(next: W): void {
    const now = performance.now();
    const late = running && (now - running.since > PATIENCE_MS || (next.fine && !running.fine));
    if (late) running?.stop.abort();
    if (!running || late) void start(next, now);
    else waiting = { wish: next, since: waiting?.since ?? now };
  }

  const again = () => {
    const next = wish();
    if (next) ask(next);
  };
  watch(() => {
    const next = wish();
    return next && name(next);
  }, again, { immediate: true });
  // What was refused while the session was locked is asked for again.
  watch(
    () => session.phase,
    (phase) => phase === 'in' && again(),
  );
  onScopeDispose(() => {
    clearTimeout(retry);
    running?.stop.abort();
    running = undefined;
  });

  return { got, problem, why, outdated, ms };
}
