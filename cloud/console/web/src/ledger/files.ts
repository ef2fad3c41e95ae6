// Files that a person brings: which of them is the receipt, and which entry it speaks of, before anything is checked.
import { Malformed, utf8, type Bytes } from './bytes';
import { readReceipt } from './notes';

const BEGIN = utf8('c2sp.org/tlog-proof');

export const looksLikeReceipt = (bytes: Bytes): boolean => BEGIN.every((byte, place) => byte === bytes[place]);

export function receiptIndex(bytes: Bytes): number | undefined {
  try {
    return readReceipt(bytes).index;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}
