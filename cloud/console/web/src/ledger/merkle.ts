// Merkle trees of RFC 6962, section 2.1: what an inclusion and a consistency proof give (RFC 9162, 2.1.3.2 and 2.1.4.2).
import { equal, join, sha256, type Bytes } from './bytes';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (entry: Bytes): Promise<Bytes> => sha256(join(LEAF, entry));

export const nodeHash = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(join(NODE, left, right));

// Numbers of a log go beyond 32 bits: no bit operators.
const odd = (number: number): boolean => number % 2 === 1;
const half = (number: number): number => Math.floor(number / 2);

/** Root that `path` gives for the leaf at `index` of a tree of `size` leaves; undefined where it does not fit them. */
export async function rootFromInclusion(
  index: number,
  size: number,
  leaf: Bytes,
  path: Bytes[],
): Promise<Bytes | undefined> {
  if (index >= size) return undefined;
  let [position, last, result] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (odd(position) || position === last) {
      result = await nodeHash(sibling, result);
      while (position !== 0 && !odd(position)) [position, last] = [half(position), half(last)];
    } else {
      result = await nodeHash(result, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 ? result : undefined;
}

export type Tree = { size: number; root: Bytes };

/** Whether `path` proves the older tree to be the beginning of the newer one. */
export async function isBeginningOf(older: Tree, newer: Tree, path: Bytes[]): Promise<boolean> {
  if (older.size > newer.size) return false;
  if (older.size === newer.size) return path.length === 0 && equal(older.root, newer.root);
  if (older.size === 0) return path.length === 0;
  const whole = Number.isInteger(Math.log2(older.size));
  const [first, ...rest] = whole ? [older.root, ...path] : path;
  if (!first) return false;
  let [position, last] = [older.size - 1, newer.size - 1];
  while (odd(position)) [position, last] = [half(position), half(last)];
  let [old, fresh] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (odd(position) || position === last) {
      old = await nodeHash(sibling, old);
      fresh = await nodeHash(sibling, fresh);
      while (position !== 0 && !odd(position)) [position, last] = [half(position), half(last)];
    } else {
      fresh = await nodeHash(fresh, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && equal(old, older.root) && equal(fresh, newer.root);
}
