// One event stream for the whole page. On every (re)connection the list is fetched, then changes are applied.
import { computed, reactive, shallowReactive } from 'vue';

import { forgetAlarms, onAlarm } from './alarms';
import { api, type WorkItem } from './api/client';
import { may, refresh } from './session';

const KEPT_ITEMS = 500;
const REOPEN_MS = 2000;

type Connection = 'connecting' | 'catching-up' | 'live' | 'offline';

export const live = reactive({
  connection: 'connecting' as Connection,
  loaded: false,
  olderThan: null as number | null,
  loadingOlder: false,
});

const items = shallowReactive(new Map<string, WorkItem>());
// Newest event id that each capture's shown state includes: an older answer never overwrites a newer one.
const versions = new Map<string, number>();
// Captures that changed after the page was opened and have not been looked at.
export const unread = reactive(new Set<string>());
// Milliseconds from a change's arrival to its being on the screen: step 13, measured here.
export const shownMs = shallowReactive(new Map<string, number>());

export const worklist = computed(() => [...items.values()].toSorted((a, b) => b.slot - a.slot));
export const itemOf = (captureId: string): WorkItem | undefined => items.get(captureId);

const FINAL = new Set(['normal', 'abnormal', 'review', 'refused', 'held', 'missing', 'failed']);

function apply(item: WorkItem, version: number): boolean {
  if ((versions.get(item.capture_id) ?? -1) > version) return false;
  versions.set(item.capture_id, version);
  items.set(item.capture_id, item);
  return true;
}

function forgetOldest(): void {
  if (items.size <= KEPT_ITEMS) return;
  for (const old of worklist.value.slice(KEPT_ITEMS)) {
    items.delete(old.capture_id);
    versions.delete(old.capture_id);
    unread.delete(old.capture_id);
    shownMs.delete(old.capture_id);
  }
  live.olderThan = worklist.value.at(-1)?.slot ?? null;
}

function onChange(message: MessageEvent<string>): void {
  const arrived = performance.now();
  const item = JSON.parse(message.data) as WorkItem;
  if (!apply(item, Number(message.lastEventId))) return;
  if (FINAL.has(item.status)) unread.add(item.capture_id);
  forgetOldest();
  // The first frame after the next one has been painted with the change.
  requestAnimationFrame(() =>
    setTimeout(() => shownMs.set(item.capture_id, performance.now() - arrived)),
  );
}

async function catchUp(stream: EventSource): Promise<void> {
  if (!may('see_images')) {
    live.connection = 'live';
    return;
  }
  live.connection = 'catching-up';
  try {
    const { data } = await api.GET('/api/captures', { params: { query: { limit: 100 } } });
    if (!data) throw new Error('no list');
    for (const item of data.items) apply(item, data.cursor);
    if (!live.loaded) live.olderThan = data.next_before_slot;
    live.loaded = true;
    if (stream.readyState === EventSource.OPEN) live.connection = 'live';
  } catch {
    if (open === stream && stream.readyState === EventSource.OPEN)
      setTimeout(() => void catchUp(stream), REOPEN_MS);
  }
}

export async function loadOlder(): Promise<void> {
  if (live.olderThan === null || live.loadingOlder) return;
  live.loadingOlder = true;
  const query = { limit: 100, before_slot: live.olderThan };
  try {
    const { data } = await api.GET('/api/captures', { params: { query } });
    if (!data) return;
    for (const item of data.items) apply(item, data.cursor);
    live.olderThan = data.next_before_slot;
  } catch {
    // The connection is gone; the button stays.
  } finally {
    live.loadingOlder = false;
  }
}

/** Fetches a capture that is not on the list (an address that was kept); false where there is none. */
export async function fetchItem(captureId: string): Promise<boolean> {
  try {
    const path = { capture_id: captureId };
    const { data } = await api.GET('/api/captures/{capture_id}', { params: { path } });
    return data !== undefined && apply(data, -1);
  } catch {
    return false;
  }
}

let open: EventSource | undefined;
let reopening = 0;

/** Opens the stream; what changed while there was none comes with the list. */
export function connect(): void {
  if (open) return;
  const stream = new EventSource(may('see_images') ? '/api/events' : '/api/system/events');
  open = stream;
  stream.addEventListener('open', () => void catchUp(stream));
  stream.addEventListener('capture', onChange);
  stream.addEventListener('alarm', onAlarm);
  stream.addEventListener('error', () => {
    if (open !== stream) return;
    live.connection = 'offline';
    // The browser reconnects by itself after a cut, but not after an error answer: a proxy's 502, or the session
    // is locked or has ended. The server says which.
    if (stream.readyState !== EventSource.CLOSED) return;
    open = undefined;
    reopening = window.setTimeout(connect, REOPEN_MS);
    void refresh();
  });
}

/** Closes the stream while nobody may look; what is on the page stays as it is. */
export function pause(): void {
  clearTimeout(reopening);
  open?.close();
  open = undefined;
  live.connection = 'connecting';
}

/** Forgets everything: the next person who signs in may not be the same. */
export function forget(): void {
  pause();
  forgetAlarms();
  for (const kept of [items, versions, unread, shownMs]) kept.clear();
  Object.assign(live, { loaded: false, olderThan: null, loadingOlder: false });
}
