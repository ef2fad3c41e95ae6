// The worklist: which examinations it shows, by filter and search; the server counts, filters and searches.
import { computed, reactive, shallowReactive } from 'vue';

import { api, type Examination, type Status } from './api/client';
import { applyExamination, examinationOf, forgetExamination, known, listen, live } from './live';

export const GROUPS = {
  abnormal: ['abnormal'],
  review: ['review'],
  normal: ['normal'],
  running: ['incoming', 'analysing'],
  stopped: ['refused', 'held', 'missing', 'failed'],
} satisfies Record<string, Status[]>;
export type Group = keyof typeof GROUPS;

const PAGE = 100;
const ROWS_KEPT = 500;
const COUNT_MS = 700;
const TYPED_MS = 250;

export const list = reactive({
  group: undefined as Group | undefined,
  text: '',
  /** Whether the first answer has come. */
  loaded: false,
  /** Whether the last answer did not come. */
  failed: false,
  /** Slot that the rows reach down to; null where they are all there. */
  olderThan: null as number | null,
  loadingOlder: false,
  counts: {} as Record<string, number>,
});

const rows = shallowReactive(new Set<string>());
const newestFirst = (a: Examination, b: Examination): number => b.newest_slot - a.newest_slot;

/** What is open stays on the list, even where it does not fit the filter (any more). */
export const shown = computed(() =>
  [...known()].filter((each) => rows.has(each.examination_id) || each.examination_id === live.opened).toSorted(newestFirst),
);
export const countOf = (group: Group): number =>
  GROUPS[group].reduce((sum, status) => sum + (list.counts[status] ?? 0), 0);
export const countAll = (): number => Object.values(list.counts).reduce((sum, count) => sum + count, 0);

let newest: symbol | undefined;

async function ask(limit: number, before?: number) {
  const { group, text } = list;
  const query = {
    limit,
    ...(before === undefined ? {} : { before }),
    ...(group ? { status: GROUPS[group] } : {}),
    ...(text.trim() ? { text: text.trim() } : {}),
  };
  const { data } = await api.GET('/api/examinations', { params: { query } });
  return data;
}

/** Fetches the first page for the present filter and search; false where no answer came. */
export async function load(): Promise<boolean> {
  const mine = (newest = Symbol('load'));
  const data = await ask(PAGE).catch(() => undefined);
  if (newest !== mine) return true;
  list.failed = !data;
  if (!data) return false;
  // Rows below the first page that were loaded before stay where they are.
  const reach = data.next_before;
  for (const id of rows) if (reach === null || (examinationOf(id)?.newest_slot ?? 0) >= reach) rows.delete(id);
  for (const each of data.items) {
    applyExamination(each, data.cursor);
    rows.add(each.examination_id);
  }
  if (!list.loaded || rows.size <= data.items.length) list.olderThan = reach;
  Object.assign(list, { counts: data.counts, loaded: true });
  return true;
}

export async function loadOlder(): Promise<void> {
  if (list.olderThan === null || list.loadingOlder) return;
  list.loadingOlder = true;
  const data = await ask(PAGE, list.olderThan).catch(() => undefined);
  list.loadingOlder = false;
  list.failed = !data;
  if (!data) return;
  for (const each of data.items) {
    applyExamination(each, data.cursor);
    rows.add(each.examination_id);
  }
  Object.assign(list, { olderThan: data.next_before, counts: data.counts });
}

let typed = 0;
let counting = 0;

/** Another filter or search: the rows are the server's answer. */
export function narrow(to: { group?: Group | undefined; text?: string }): void {
  const searched = to.text !== undefined && to.text !== list.text;
  Object.assign(list, to);
  clearTimeout(typed);
  const begin = () => {
    rows.clear();
    list.loaded = false;
    void load();
  };
  if (searched) typed = window.setTimeout(begin, TYPED_MS);
  else begin();
}

function fits({ status, newest_slot }: Examination): boolean {
  if (list.olderThan !== null && newest_slot < list.olderThan) return false;
  return !list.group || (GROUPS[list.group] as Status[]).includes(status);
}

function onChange(after: Examination | undefined, before: Examination | undefined, changed: string): void {
  if (!list.loaded || after?.status === before?.status && after?.newest_slot === before?.newest_slot) return;
  clearTimeout(counting);
  counting = window.setTimeout(() => void recount(), COUNT_MS);
  // Whether a search finds it the server has to say.
  if (list.text.trim()) return;
  if (before) list.counts[before.status] = Math.max(0, (list.counts[before.status] ?? 0) - 1);
  if (after) list.counts[after.status] = (list.counts[after.status] ?? 0) + 1;
  if (after && fits(after)) rows.add(changed);
  else rows.delete(changed);
  dropOldest();
}

/** The page's own count is a guess where it did not know what an examination was before. */
async function recount(): Promise<void> {
  if (list.text.trim()) return void load();
  const data = await ask(1).catch(() => undefined);
  if (data) list.counts = data.counts;
}

function dropOldest(): void {
  if (rows.size <= ROWS_KEPT) return;
  const ordered = shown.value.filter((each) => rows.has(each.examination_id));
  for (const old of ordered.slice(ROWS_KEPT)) {
    rows.delete(old.examination_id);
    if (old.examination_id !== live.opened) forgetExamination(old.examination_id);
  }
  list.olderThan = ordered[ROWS_KEPT - 1]?.newest_slot ?? null;
}

/** Begins to follow; the returned function ends it. */
export function useList(): () => void {
  const end = listen(onChange, load);
  if (live.connection === 'live') void load();
  return () => {
    end();
    clearTimeout(typed);
    clearTimeout(counting);
    rows.clear();
    Object.assign(list, { loaded: false, olderThan: null });
  };
}
