// What the list asks for stands in the address alone: it can be shared, and back and forward work.
import type { LocationQuery, LocationQueryRaw } from 'vue-router';

import type { operations } from '../api/schema';

export type Asked = NonNullable<operations['list_studies']['parameters']['query']>;

export const TEXTS = ['text', 'status', 'finding', 'plane', 'device_id', 'tag', 'reviewing', 'signing', 'agreement'] as const;
export const FIELDS = [...TEXTS, 'from', 'to', 'age_from', 'age_to', 'deleted'] as const;
export type Field = (typeof FIELDS)[number];
export type Fields = Record<Field, string>;

export const STATUSES = ['abnormal', 'review', 'analysing', 'incoming', 'normal', 'failed', 'held', 'missing', 'refused'] as const;
export const FINDINGS = ['normal', 'ventriculomegaly', 'other'] as const;
export const PLANES = ['brain', 'abdomen', 'femur', 'thorax', 'other', 'trans-thalamic', 'trans-ventricular', 'trans-cerebellar'] as const;
export const SORTS = ['number', 'age', 'probability'] as const;
export const PAGE_SIZE = 50;

const DAY_MS = 86_400_000;
const one = (query: LocationQuery, name: string): string => {
  const value = query[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
};

export function fieldsOf(query: LocationQuery): Fields {
  return Object.fromEntries(FIELDS.map((name) => [name, one(query, name)])) as Fields;
}

/** The address of these fields, without those that narrow nothing; order and columns of the address before stay. */
export function queryOf(fields: Fields, before: LocationQuery): LocationQueryRaw {
  const kept = { sort: one(before, 'sort'), ascending: one(before, 'ascending') };
  const all = Object.entries({ ...fields, ...kept }).map(([name, value]) => [name, value.trim()] as const);
  return Object.fromEntries(all.filter(([, value]) => value));
}

/** Weeks and days as people write them, 20+3, 20w3d or 20, in days; undefined where it is none of them. */
export function daysOf(text: string): number | undefined {
  const found = /^(\d{1,2})(?:\s*(?:\+|w|周)\s*([0-6])?\s*(?:d|天)?)?$/i.exec(text.trim());
  return found ? Number(found[1]) * 7 + Number(found[2] ?? 0) : undefined;
}

/** A day of the calendar as the moment at which it begins here; the day after with `days` 1. */
function moment(day: string, days = 0): string | undefined {
  const begin = new Date(`${day}T00:00:00`).getTime();
  return Number.isNaN(begin) ? undefined : new Date(begin + days * DAY_MS).toISOString();
}

/** What the server is asked for the filters of an address. */
export function filterOf(query: LocationQuery): Asked {
  const fields = fieldsOf(query);
  const asked: Record<string, unknown> = Object.fromEntries(TEXTS.map((name) => [name, fields[name] || undefined]));
  const more = {
    begun_from: fields.from && moment(fields.from),
    begun_before: fields.to && moment(fields.to, 1),
    age_from_days: daysOf(fields.age_from),
    age_to_days: daysOf(fields.age_to),
    deleted: fields.deleted === 'true' || undefined,
  };
  for (const [name, value] of Object.entries({ ...asked, ...more })) if (value) asked[name] = value;
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined && value !== '')) as Asked;
}

/** The same with order and page. */
export function askedOf(query: LocationQuery): Asked {
  const sort = SORTS.find((each) => each === one(query, 'sort'));
  const [after, before] = [one(query, 'after'), one(query, 'before')];
  return {
    ...filterOf(query),
    limit: PAGE_SIZE,
    ...(sort ? { sort } : {}),
    ...(one(query, 'ascending') === 'true' ? { ascending: true } : {}),
    ...(after ? { after } : {}),
    ...(before ? { before } : {}),
  };
}

/** Where the table of all of them is to be fetched. */
export function csvUrl(query: LocationQuery): string {
  const pairs = Object.entries(filterOf(query)).map(([name, value]) => [name, String(value)]);
  const asked = new URLSearchParams(pairs).toString();
  return asked ? `/api/studies.csv?${asked}` : '/api/studies.csv';
}
