// What the ledger's page asks the server. Whatever comes back is checked before it is called good.
import { api, type LedgerEntry } from '../api/client';
import { attempt, type Outcome } from '../session';
import type { Bytes } from './bytes';

export const entryUrl = (index: number): string => `/api/ledger/entries/${index}/bytes`;
export const receiptUrl = (index: number): string => `/api/ledger/entries/${index}/receipt`;

const path = (index: number) => ({ params: { path: { index } } });

export const askEntry = (index: number): Promise<Outcome<LedgerEntry>> =>
  attempt(api.GET('/api/ledger/entries/{index}', path(index)));

async function bytes(call: Promise<{ data?: ArrayBuffer; error?: unknown; response: Response }>): Promise<Outcome<Bytes>> {
  const got = await attempt(call);
  return got.ok ? { ok: true, data: new Uint8Array(got.data) } : got;
}

export const askBytes = (index: number): Promise<Outcome<Bytes>> =>
  bytes(api.GET('/api/ledger/entries/{index}/bytes', { ...path(index), parseAs: 'arrayBuffer' }));

export const askReceipt = (index: number): Promise<Outcome<Bytes>> =>
  bytes(api.GET('/api/ledger/entries/{index}/receipt', { ...path(index), parseAs: 'arrayBuffer' }));

/** Hashes that prove the growth; none where the server gives none: the check then fails by itself. */
export async function askGrowth(oldSize: number, newSize: number): Promise<string[]> {
  const query = { old_size: oldSize, new_size: newSize };
  const got = await attempt(api.GET('/api/ledger/consistency', { params: { query } }));
  return got.ok ? got.data.hashes : [];
}

const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

export const isId = (text: string): boolean => UUID.test(text);

/** Where a print or an image stands; a trace id is the print's id without its hyphens. */
export const askPlaces = (id: string): Promise<Outcome<{ indices: number[] }>> =>
  attempt(api.GET('/api/ledger/places', { params: { query: { object_id: id } } }));
