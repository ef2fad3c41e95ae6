// Sends a folder: a few files at a time, again after a lost connection, and goes on while other pages are looked at.
import { computed, reactive, shallowReactive, watch } from 'vue';

import { api, type UploadAccount } from '../api/client';
import { attempt, refresh, session, type Problem } from '../session';
import type { Found } from './folders';

type Phase = 'none' | 'sending' | 'finishing' | 'done' | 'refused';
export type Sending = Found & { sentBytes: number };
/** A file that the server did not take at all. */
export type Refused = { path: string; reason: 'NOT_PERMITTED' | 'TAKEN' | 'TOO_LARGE' | 'INVALID' };

const PARALLEL = 3;
const RETRY_FIRST_MS = 1000;
const RETRY_MOST_MS = 15_000;
const STORED = 'sonorelay.upload';

export const upload = reactive({
  phase: 'none' as Phase,
  /** The connection is lost; it is tried again. */
  waiting: false,
  count: 0,
  doneCount: 0,
  totalBytes: 0,
  doneBytes: 0,
  problem: undefined as Problem | undefined,
});
export const sending = shallowReactive(new Set<Sending>());
export const refusedFiles = shallowReactive<Refused[]>([]);
export const account = shallowReactive<{ value: UploadAccount | undefined }>({ value: undefined });

export const sentBytes = computed(() => {
  let bytes = upload.doneBytes;
  for (const each of sending) bytes += each.sentBytes;
  return bytes;
});

// An upload of this tab that was cut off, by a reload for example: its number, to go on under.
export const interrupted = (): string | null => sessionStorage.getItem(STORED);
const forgetInterrupted = () => sessionStorage.removeItem(STORED);

/** One upload of this page; `over` once it was stopped. */
type Run = { uploadId: string; queue: Found[]; calls: Set<XMLHttpRequest>; over: boolean };
let current: Run | undefined;

/** The answer's status; 0 where there was none. */
function put(each: Sending, { uploadId, calls }: Run): Promise<number> {
  return new Promise((done) => {
    const call = new XMLHttpRequest();
    calls.add(call);
    call.open('PUT', `/api/uploads/${uploadId}/files?path=${encodeURIComponent(each.path)}`);
    call.setRequestHeader('Content-Type', 'application/octet-stream');
    call.upload.addEventListener('progress', (event) => (each.sentBytes = event.loaded));
    call.addEventListener('loadend', () => {
      calls.delete(call);
      done(call.status);
    });
    call.send(each.file);
  });
}

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

/** Waits until a person is signed in here and the session is open again. */
async function signedIn(): Promise<void> {
  await refresh();
  if (session.phase === 'in') return;
  await new Promise<void>((open) => {
    const stop = watch(
      () => session.phase,
      (phase) => {
        if (phase !== 'in') return;
        stop();
        open();
      },
    );
  });
}

const GONE = 404;
const REASONS: Record<number, Refused['reason']> = {
  403: 'NOT_PERMITTED',
  409: 'TAKEN',
  413: 'TOO_LARGE',
  422: 'INVALID',
};

/** Waits longer from try to try, while the connection is away. */
async function patience(wait_ms: number): Promise<number> {
  upload.waiting = true;
  await pause(wait_ms);
  upload.waiting = false;
  return Math.min(RETRY_MOST_MS, wait_ms * 2);
}

/** Sends one file until the server has taken or refused it; false where the upload is over. */
async function taken(each: Sending, run: Run): Promise<boolean> {
  let wait_ms = RETRY_FIRST_MS;
  while (!run.over) {
    const status = await put(each, run);
    if (run.over || status === GONE) return false;
    if (status >= 200 && status < 300) return true;
    const reason = REASONS[status];
    if (reason) {
      refusedFiles.push({ path: each.path, reason });
      return true;
    }
    if (status === 401 || status === 423) await signedIn();
    else wait_ms = await patience(wait_ms);
    each.sentBytes = 0;
  }
  return false;
}

/** Sends files until none is left; false where the upload is over. */
async function worker(run: Run): Promise<boolean> {
  for (let next = run.queue.shift(); next; next = run.queue.shift()) {
    const each: Sending = shallowReactive({ ...next, sentBytes: 0 });
    sending.add(each);
    const whole = await taken(each, run);
    sending.delete(each);
    if (!whole) return false;
    upload.doneCount += 1;
    upload.doneBytes += each.file.size;
  }
  return true;
}

function refuse(problem: Problem): void {
  upload.phase = 'refused';
  upload.problem = problem;
}

async function begin(goOn: string | null): Promise<string | undefined> {
  if (goOn) return goOn;
  const begun = await attempt(api.POST('/api/uploads'));
  if (begun.ok) return begun.data.upload_id;
  refuse(begun.problem);
  return undefined;
}

/** Sends the files; `goOn` is the number of an upload that was cut off. */
export async function start(files: Found[], goOn: string | null = null): Promise<void> {
  if (upload.phase === 'sending' || upload.phase === 'finishing' || !files.length) return;
  account.value = undefined;
  refusedFiles.length = 0;
  Object.assign(upload, { phase: 'sending', waiting: false, count: files.length, doneCount: 0, doneBytes: 0 });
  upload.problem = undefined;
  upload.totalBytes = files.reduce((sum, { file }) => sum + file.size, 0);
  const uploadId = await begin(goOn);
  if (!uploadId) return;
  const run: Run = { uploadId, queue: [...files], calls: new Set(), over: false };
  current = run;
  sessionStorage.setItem(STORED, uploadId);
  const whole = await Promise.all(Array.from({ length: PARALLEL }, () => worker(run)));
  if (run.over) return;
  if (whole.every(Boolean)) await finish(run);
  else {
    forgetInterrupted();
    refuse('UNKNOWN');
  }
}

async function finish(run: Run): Promise<void> {
  upload.phase = 'finishing';
  let wait_ms = RETRY_FIRST_MS;
  while (!run.over) {
    const path = { upload_id: run.uploadId };
    const told = await attempt(api.POST('/api/uploads/{upload_id}/finish', { params: { path } }));
    if (run.over) return;
    if (told.ok) {
      account.value = told.data;
      upload.phase = 'done';
      forgetInterrupted();
      return;
    }
    if (told.problem === 'LOCKED' || told.problem === 'SESSION_ENDED') await signedIn();
    else if (told.problem === 'OFFLINE' || told.problem === 'BUSY') wait_ms = await patience(wait_ms);
    else return refuse(told.problem);
  }
}

/** Stops sending; what the server has of it does not become a series. */
export function cancel(): void {
  if (current) {
    current.over = true;
    current.queue = [];
    for (const call of current.calls) call.abort();
  }
  sending.clear();
  forgetInterrupted();
  upload.phase = 'none';
}

/** Closes the account. */
export function close(): void {
  upload.phase = 'none';
  account.value = undefined;
}

watch(
  () => session.phase,
  (phase) => phase === 'out' && !session.ended && cancel(),
);
