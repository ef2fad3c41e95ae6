// What the page knows of examinations and their prints. On every (re)connection what is shown is fetched again, then
// changes are applied; an older answer never overwrites a newer one.
import { reactive, shallowReactive } from 'vue';

import { forgetAlarms, onAlarm } from './alarms';
import { api, type Examination, type ExaminationDetail, type Review, type WorkItem } from './api/client';
import { may, refresh, session } from './session';
import { follow, type Change, type StreamState } from './stream';

type Connection = 'connecting' | 'catching-up' | 'live' | 'offline';

/** Told of every change of an examination: before is undefined where this page did not know it. */
type Listener = (after: Examination | undefined, before: Examination | undefined, changed: string) => void;

const DETAILS_KEPT = 20;
const RETRY_MS = 2000;
const AGAIN_MS = 250;

export const live = reactive({
  connection: 'connecting' as Connection,
  /** Examination that a person looks at. */
  opened: '',
});

const examinations = shallowReactive(new Map<string, Examination>());
const captures = shallowReactive(new Map<string, WorkItem>());
/** What only the answer about one examination says; newest used last. */
const details = shallowReactive(new Map<string, ExaminationDetail>());
// Newest event id that each shown state includes, by examination and by capture.
const versions = new Map<string, number>();
// Examinations that changed after the page was opened and have not been looked at.
export const unread = reactive(new Set<string>());
// Milliseconds from a change's arrival to its being on the screen: step 13, measured here.
export const shownMs = shallowReactive(new Map<string, number>());

export const known = (): Iterable<Examination> => examinations.values();
export const examinationOf = (examinationId: string): Examination | undefined => examinations.get(examinationId);
export const detailOf = (examinationId: string): ExaminationDetail | undefined => details.get(examinationId);
export const itemOf = (captureId: string): WorkItem | undefined => captures.get(captureId);

/** The prints of an examination, in the order in which they came. */
export const capturesOf = (examinationId: string): WorkItem[] =>
  [...captures.values()].filter((item) => item.examination_id === examinationId).toSorted((a, b) => a.slot - b.slot);

const listeners = new Set<Listener>();
const catchers = new Set<() => Promise<boolean>>();

/** `changed` hears of every examination; `caughtUp` fetches after a (re)connection, false: it has to be tried again. */
export function listen(changed: Listener, caughtUp: () => Promise<boolean>): () => void {
  listeners.add(changed);
  catchers.add(caughtUp);
  return () => {
    listeners.delete(changed);
    catchers.delete(caughtUp);
  };
}

function newer(id: string, version: number): boolean {
  if ((versions.get(id) ?? -1) > version) return false;
  versions.set(id, version);
  return true;
}

export function applyExamination(examination: Examination, version: number): void {
  const id = examination.examination_id;
  if (!newer(id, version)) return;
  const before = examinations.get(id);
  examinations.set(id, examination);
  for (const tell of listeners) tell(examination, before, id);
}

function dropExamination(id: string, version: number): void {
  if (!newer(id, version)) return;
  const before = examinations.get(id);
  forgetExamination(id);
  for (const tell of listeners) tell(undefined, before, id);
}

export function forgetExamination(id: string): void {
  for (const kept of [examinations, details, versions]) kept.delete(id);
  unread.delete(id);
}

function applyCapture(item: WorkItem, version: number): void {
  const wanted = item.examination_id !== null && details.has(item.examination_id);
  if (!wanted && !captures.has(item.capture_id)) return;
  if (newer(item.capture_id, version)) captures.set(item.capture_id, item);
}

/** What the server said of a review that was sent from here: shown at once, before the change comes as an event. */
export function applyReview(imageId: string, review: Review): void {
  for (const item of captures.values()) {
    if (!item.images.some((image) => image.image_id === imageId)) continue;
    const images = item.images.map((image) => (image.image_id === imageId ? { ...image, review } : image));
    captures.set(item.capture_id, { ...item, images });
  }
}

/** Prints of examinations that were looked at long ago are let go. */
function keepDetail(detail: ExaminationDetail): void {
  const id = detail.examination.examination_id;
  details.delete(id);
  details.set(id, detail);
  const [oldest] = details.keys();
  if (details.size <= DETAILS_KEPT || oldest === undefined) return;
  details.delete(oldest);
  for (const item of capturesOf(oldest)) {
    for (const kept of [captures, versions, shownMs]) kept.delete(item.capture_id);
  }
}

/** Fetches an examination with its prints; 'unknown' where there is none, false where no answer came. */
export async function fetchDetail(examinationId: string): Promise<boolean | 'unknown'> {
  try {
    const params = { path: { examination_id: examinationId } };
    const { data, response } = await api.GET('/api/examinations/{examination_id}', { params });
    if (!data) return response.status === 404 || response.status === 422 ? 'unknown' : false;
    keepDetail(data);
    applyExamination(data.examination, data.cursor);
    for (const item of data.captures) applyCapture(item, data.cursor);
    return true;
  } catch {
    return false;
  }
}

/** The examination that a print belongs to; undefined where there is no such print. */
export async function examinationOfCapture(captureId: string): Promise<string | undefined> {
  try {
    const params = { path: { capture_id: captureId } };
    const { data } = await api.GET('/api/captures/{capture_id}', { params });
    return data?.examination_id ?? undefined;
  } catch {
    return undefined;
  }
}

let asking = 0;

/** Fetches what is open once more, shortly: an event does not carry all of it. */
export function fetchOpenedAgain(): void {
  clearTimeout(asking);
  asking = window.setTimeout(() => live.opened && void fetchDetail(live.opened), AGAIN_MS);
}

const FINAL = new Set(['normal', 'abnormal', 'review', 'refused', 'held', 'missing', 'failed']);

function onExamination(examination: Examination, id: number): void {
  const changed = examination.examination_id;
  applyExamination(examination, id);
  if (changed === live.opened) fetchOpenedAgain();
  else if (FINAL.has(examination.status)) unread.add(changed);
}

function onCapture(item: WorkItem, id: number): void {
  const arrived = performance.now();
  applyCapture(item, id);
  // The first frame after the next one has been painted with the change.
  requestAnimationFrame(() =>
    setTimeout(() => captures.has(item.capture_id) && shownMs.set(item.capture_id, performance.now() - arrived)),
  );
}

function onChange({ name, id, data }: Change): void {
  if (name === 'alarm') return onAlarm(data);
  const said: unknown = JSON.parse(data);
  if (name === 'capture') onCapture(said as WorkItem, id);
  else if (name === 'examination') onExamination(said as Examination, id);
  else dropExamination((said as { examination_id: string }).examination_id, id);
}

let catching = 0;

async function catchUp(): Promise<void> {
  clearTimeout(catching);
  live.connection = 'catching-up';
  const opened = live.opened;
  const [detail, ...lists] = await Promise.all([
    opened ? fetchDetail(opened) : true,
    ...[...catchers].map((fetch) => fetch()),
  ]);
  if (live.connection !== 'catching-up') return;
  if (detail && lists.every(Boolean)) live.connection = 'live';
  else catching = window.setTimeout(() => void catchUp(), RETRY_MS);
}

function onState(state: StreamState): void {
  clearTimeout(catching);
  if (state === 'open') void catchUp();
  else live.connection = state === 'lost' ? 'offline' : 'connecting';
}

let end: (() => void) | undefined;

/** Follows all changes; what changed while nobody followed is fetched. */
export function connect(): void {
  if (end || !session.facts) return;
  const address = may('see_images') ? '/api/events' : '/api/system/events';
  end = follow(session.facts.name, address, { change: onChange, state: onState, refused: () => void refresh() });
}

/** Follows no more while nobody may look; what is on the page stays as it is. */
export function pause(): void {
  clearTimeout(catching);
  clearTimeout(asking);
  end?.();
  end = undefined;
  live.connection = 'connecting';
}

/** Forgets everything: the next person who signs in may not be the same. */
export function forget(): void {
  pause();
  forgetAlarms();
  for (const kept of [examinations, captures, details, versions, unread, shownMs]) kept.clear();
  live.opened = '';
}
