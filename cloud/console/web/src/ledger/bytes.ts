// Bytes as the log writes them: one spelling of each value, so that no altered bit is read as the same thing.

export type Bytes = Uint8Array<ArrayBuffer>;

/** What was read is not of the form that it should have. The code names the message. */
export class Malformed extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

export function fromUtf8(bytes: Bytes): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Malformed('notText');
  }
}

export function base64(bytes: Bytes): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** Spare bits of the last character could be altered unseen: they must be zero. */
export function fromBase64(text: string): Bytes {
  let bytes: Bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new Malformed('notBase64');
  }
  if (base64(bytes) !== text) throw new Malformed('notBase64');
  return bytes;
}

export const hex = (bytes: Bytes): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export function join(...parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

export const equal = (a: Bytes, b: Bytes): boolean =>
  a.length === b.length && a.every((byte, place) => byte === b[place]);

export const sha256 = async (bytes: Bytes): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

const WHOLE = /^(0|[1-9][0-9]{0,15})$/;

/** A decimal number without leading zeros that a browser counts exactly. */
export function wholeNumber(text: string): number {
  const value = WHOLE.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw new Malformed('notNumber');
  return value;
}
