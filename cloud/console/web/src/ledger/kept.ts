// What this browser keeps of a log: the key that a person pinned, and the newest checkpoint whose growth was checked.
const PIN = 'sonorelay.ledger.pin';
const SEEN = 'sonorelay.ledger.seen.';

export const pinned = (): string | undefined => localStorage.getItem(PIN) ?? undefined;

export function pin(key: string | undefined): void {
  if (key === undefined) localStorage.removeItem(PIN);
  else localStorage.setItem(PIN, key);
}

export const seen = (origin: string): string | undefined => localStorage.getItem(SEEN + origin) ?? undefined;

export const keep = (origin: string, checkpoint: string): void => localStorage.setItem(SEEN + origin, checkpoint);
