// Who is signed in. The server alone decides; the page asks it, and hides what it shows once the session is locked.
import { reactive } from 'vue';

import { api, type Action, type ExaminationProblem, type Refusal, type SessionFacts } from './api/client';

type Phase = 'unknown' | 'out' | 'in' | 'locked';

export const session = reactive({
  phase: 'unknown' as Phase,
  facts: undefined as SessionFacts | undefined,
  /** Why the person has to sign in again; undefined where they signed out themselves. */
  ended: false,
  /** Name of the identity provider; undefined where there is none. */
  provider: undefined as string | undefined,
});

/** A refusal's code, or what this page calls an answer that never came. */
export type Problem = Refusal | ExaminationProblem | 'INVALID' | 'BUSY' | 'OFFLINE' | 'COOKIE_REFUSED';
export type Outcome<T> =
  { ok: true; data: T } | { ok: false; problem: Problem; afterS: number | undefined };

export const may = (action: Action): boolean => session.facts?.may.includes(action) ?? false;

const RETRY_MS = 2000;
const TOLD_EVERY_MS = 30_000;
// Just behind the moment, so that the server's clock has passed it.
const SLACK_MS = 400;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

let asking = 0;

api.use({
  async onResponse({ response }) {
    if (response.status === 423) locked();
    if (response.status !== 401) return;
    const reason = await response.clone().json().then((body: { reason?: string }) => body.reason, () => undefined);
    if (reason === 'SESSION_ENDED' || reason === 'SIGN_IN_NEEDED') out(session.phase !== 'unknown');
  },
});

function take(facts: SessionFacts): void {
  session.facts = facts;
  session.ended = false;
  session.phase = facts.locked ? 'locked' : 'in';
  clearTimeout(asking);
  const next_s = facts.locked ? facts.ends_in_s : Math.min(facts.locks_in_s, facts.ends_in_s);
  asking = window.setTimeout(() => void refresh(), Math.min(next_s * 1000 + SLACK_MS, LONGEST_TIMER_MS));
}

function locked(): void {
  if (session.phase === 'in') session.phase = 'locked';
}

function out(ended: boolean): void {
  if (session.phase === 'out') return;
  clearTimeout(asking);
  session.phase = 'out';
  session.facts = undefined;
  session.ended = ended;
}

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** What came of a call, never an exception: every form shows it in its own place. */
export async function attempt<T>(call: Promise<Answer<T>>): Promise<Outcome<T>> {
  try {
    const { data, error, response } = await call;
    if (response.ok) return { ok: true, data: data as T };
    const told = error as { reason?: Problem } | undefined;
    const afterS = Number(response.headers.get('Retry-After')) || undefined;
    return { ok: false, problem: told?.reason ?? (response.status === 422 ? 'INVALID' : 'BUSY'), afterS };
  } catch {
    return { ok: false, problem: 'OFFLINE', afterS: undefined };
  }
}

async function taken(call: Promise<Answer<SessionFacts>>): Promise<Outcome<SessionFacts>> {
  const outcome = await attempt(call);
  if (outcome.ok) take(outcome.data);
  return outcome;
}

/** Asks the server how things stand; false where it gave no answer. */
export async function refresh(): Promise<boolean> {
  const outcome = await attempt(api.GET('/api/session'));
  if (!outcome.ok) return false;
  session.provider = outcome.data.provider ?? undefined;
  if (outcome.data.session) take(outcome.data.session);
  else out(outcome.data.ended || session.facts !== undefined);
  return true;
}

/** Returns once the server has said who is signed in. */
export async function known(): Promise<void> {
  while (session.phase === 'unknown' && !(await refresh()))
    await new Promise((wake) => setTimeout(wake, RETRY_MS));
}

async function begun(call: Promise<Answer<SessionFacts>>): Promise<Outcome<SessionFacts>> {
  const outcome = await attempt(call);
  if (!outcome.ok) return outcome;
  // A browser that keeps no Secure cookie over http would sign in again and again.
  const kept = await attempt(api.GET('/api/session'));
  if (!kept.ok) return kept;
  if (!kept.data.session) return { ok: false, problem: 'COOKIE_REFUSED', afterS: undefined };
  take(kept.data.session);
  return outcome;
}

export const signIn = (name: string, password: string, code: string) =>
  begun(api.POST('/api/session', { body: { name, password, code } }));

export const makeFirst = (link: string, name: string, password: string) =>
  begun(api.POST('/api/first-administrator', { body: { link, name, password } }));

export const unlock = (password: string) => taken(api.POST('/api/session/unlock', { body: { password } }));

export const lock = () => taken(api.POST('/api/session/lock'));

export async function signOut(): Promise<Outcome<unknown>> {
  const elsewhere = session.facts?.provider_sign_out;
  const outcome = await attempt(api.DELETE('/api/session'));
  if (outcome.ok) {
    out(false);
    // Else the next person at this browser would be let in as this one.
    if (elsewhere) location.assign(elsewhere);
  }
  return outcome;
}

// -- unlocking at the identity provider: in a window of its own, so that the page below keeps its state ---------

const UNLOCKED = 'sonorelay.unlocked';
// Other windows of this page hear of it; the one that writes does not.
window.addEventListener('storage', (event) => void (event.key === UNLOCKED && refresh()));

export const unlockElsewhere = (): void => void window.open('/api/oidc/unlock', '_blank');

export const tellUnlocked = (): void => localStorage.setItem(UNLOCKED, new Date().toISOString());

// -- the person is here: told at once, then at most twice a minute ---------------------------------------------

let telling = 0;
let again = false;

function tell(): void {
  if (session.phase !== 'in') return;
  if (telling) {
    again = true;
    return;
  }
  again = false;
  telling = window.setTimeout(() => {
    telling = 0;
    if (again) tell();
  }, TOLD_EVERY_MS);
  void attempt(api.POST('/api/session/seen'));
}

export function watchPerson(): void {
  for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel'])
    window.addEventListener(kind, tell, { passive: true, capture: true });
}
