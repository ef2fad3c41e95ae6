// Which columns the table shows, and how close its rows stand: kept by this browser.
import { reactive, watch } from 'vue';

export const COLUMNS = ['status', 'begun', 'patient', 'age', 'findings', 'probability', 'planes', 'images', 'signed', 'device', 'tags'] as const;
export type Column = (typeof COLUMNS)[number];

const KEPT = 'sonorelay.studies.columns';
const FIRST: Column[] = ['status', 'begun', 'patient', 'age', 'findings', 'probability', 'images', 'signed', 'device', 'tags'];

function kept(): { shown: Column[]; close: boolean } {
  try {
    const read = JSON.parse(localStorage.getItem(KEPT) ?? '') as { shown: Column[]; close: boolean };
    return { shown: COLUMNS.filter((each) => read.shown.includes(each)), close: read.close === true };
  } catch {
    return { shown: FIRST, close: false };
  }
}

export const table = reactive(kept());
watch(table, (now) => localStorage.setItem(KEPT, JSON.stringify(now)));
