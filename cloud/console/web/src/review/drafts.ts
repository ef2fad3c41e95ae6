// Reviews that are not sent yet: typed, or handed in without an answer. Kept on this computer for each user, over
// reload, lock, expired session and lost connection, until the server has them or the person discards them. A review
// that is handed in keeps its UUID, so that sending it again is the same review.
import { reactive, shallowReactive, watch } from 'vue';

import { api, type Ellipse, type Reading, type ReviewAsked, type ReviewReason, type WorkImage } from '../api/client';
import { applyReview, fetchOpenedAgain, live } from '../live';
import { attempt, session, type Problem } from '../session';

export interface Draft {
  imageId: string;
  examinationId: string;
  /** The result that was looked at, and what it said: told where another one has come since. */
  resultIndex: number;
  saw: Saw;
  decision: 'agree' | 'disagree';
  reason: ReviewReason | '';
  note: string;
  /** Plane or sub-plane, finding: '' as the reading has it. */
  plane: string;
  finding: string;
  ellipse: Ellipse | null;
  /** Set once it is handed in. */
  reviewId: string | undefined;
  /** Why the server did not take it. */
  problem: Problem | undefined;
}
export type Saw = Pick<Reading, 'plane' | 'finding'>;

/** What passes by itself: nothing is wrong with the review. */
const PASSING = new Set<Problem>(['OFFLINE', 'BUSY', 'LOCKED', 'SIGN_IN_NEEDED', 'SESSION_ENDED']);
const RETRY_MS = 10_000;
const LOCK = 'sonorelay.reviews';

const drafts = shallowReactive(new Map<string, Draft>());
const sending = reactive(new Set<string>());

export const draftOf = (imageId: string): Draft | undefined => drafts.get(imageId);
export const isSending = (imageId: string): boolean => sending.has(imageId);
/** Handed in, and no answer yet. */
export const unsent = (): Draft[] => [...drafts.values()].filter((each) => each.reviewId !== undefined);

const place = (): string | undefined => session.facts && `${LOCK}.${session.facts.name}`;

function read(): void {
  drafts.clear();
  const key = place();
  const stored = (key && localStorage.getItem(key)) ?? '[]';
  for (const draft of JSON.parse(stored) as Draft[]) drafts.set(draft.imageId, draft);
}

function write(): void {
  const key = place();
  if (!key) return;
  if (drafts.size) localStorage.setItem(key, JSON.stringify([...drafts.values()]));
  else localStorage.removeItem(key);
}

export function keep(draft: Draft): void {
  drafts.set(draft.imageId, draft);
  write();
}

export function discard(imageId: string): void {
  drafts.delete(imageId);
  write();
}

export function begin(image: WorkImage, decision: Draft['decision']): Draft | undefined {
  const { reading, result_ledger_index: resultIndex } = image;
  if (!reading || resultIndex === null) return undefined;
  return {
    imageId: image.image_id,
    examinationId: live.opened,
    resultIndex,
    saw: { plane: reading.plane, finding: reading.finding },
    decision,
    reason: '',
    note: '',
    plane: '',
    finding: '',
    ellipse: null,
    reviewId: undefined,
    problem: undefined,
  };
}

/** Hands a review in. It is kept until the server has it. */
export function handIn(draft: Draft): void {
  keep({ ...draft, reviewId: crypto.randomUUID(), problem: undefined });
  void send(draft.imageId);
}

function asked(draft: Draft & { reviewId: string }): ReviewAsked {
  const { reviewId, resultIndex, decision, reason, plane, finding, ellipse } = draft;
  const base = { review_id: reviewId, result_ledger_index: resultIndex, decision };
  if (decision === 'agree') return base;
  const corrected = plane || finding || ellipse ? { plane: plane || null, finding: finding || null, ellipse } : null;
  return { ...base, reason: reason || null, note: draft.note.trim() || null, corrected };
}

async function send(imageId: string): Promise<void> {
  if (sending.has(imageId)) return;
  sending.add(imageId);
  // Another tab of this browser may be sending the same one.
  await navigator.locks.request(`${LOCK}.${imageId}`, async () => {
    read();
    const draft = drafts.get(imageId);
    if (draft?.reviewId === undefined || session.phase !== 'in') return;
    const body = asked({ ...draft, reviewId: draft.reviewId });
    const outcome = await attempt(api.POST('/api/images/{image_id}/reviews', { params: { path: { image_id: imageId } }, body }));
    if (drafts.get(imageId)?.reviewId !== draft.reviewId) return;
    if (outcome.ok) {
      applyReview(imageId, outcome.data);
      discard(imageId);
    } else if (PASSING.has(outcome.problem)) keep({ ...draft, problem: outcome.problem });
    else keep({ ...draft, problem: outcome.problem, reviewId: undefined });
    if (outcome.ok || !PASSING.has(outcome.problem)) fetchOpenedAgain();
  });
  sending.delete(imageId);
}

export function sendAll(): void {
  if (session.phase !== 'in') return;
  for (const draft of unsent()) void send(draft.imageId);
}

watch(
  () => [session.phase, session.facts?.name, live.connection],
  () => {
    read();
    if (live.connection === 'live') sendAll();
  },
  { immediate: true },
);
window.addEventListener('storage', (event) => event.key === place() && read());
window.addEventListener('online', sendAll);
setInterval(sendAll, RETRY_MS);
