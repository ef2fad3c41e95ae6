// Signed notes (c2sp.org/signed-note), checkpoints (tlog-checkpoint) and receipts (tlog-proof), read strictly.
import { equal, fromBase64, fromUtf8, hex, join, Malformed, sha256, utf8, wholeNumber, type Bytes } from './bytes';
import type { Tree } from './merkle';

const ED25519 = 1;
const DASH = '— ';
const RECEIPT = 'c2sp.org/tlog-proof@v1';
const HASH_BYTES = 32;
const KEY_BYTES = 33;
const ID_BYTES = 4;
const SIGNATURE_BYTES = 64;

export type VerifierKey = { name: string; id: Bytes; publicKey: Bytes };
export type Note = { text: string; signatures: { name: string; id: Bytes; signature: Bytes }[] };
export type Checkpoint = Tree & { origin: string; note: Note };
export type Receipt = { index: number; path: Bytes[]; checkpoint: Checkpoint };

function hash(text: string): Bytes {
  const bytes = fromBase64(text);
  if (bytes.length !== HASH_BYTES) throw new Malformed('notHash');
  return bytes;
}

/** Reads `name+hex(id)+base64(type || public key)`; the id must be that of name and key. */
export async function readKey(text: string): Promise<VerifierKey> {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text) ?? [];
  if (!name || !id || !encoded) throw new Malformed('keyForm');
  const typed = fromBase64(encoded);
  if (typed.length !== KEY_BYTES || typed[0] !== ED25519) throw new Malformed('keyForm');
  const made = (await sha256(join(utf8(`${name}\n`), typed))).slice(0, ID_BYTES);
  if (hex(made) !== id) throw new Malformed('keyId');
  return { name, id: made, publicKey: typed.slice(1) };
}

/** Reads a note; says nothing about its signatures. */
export function readNote(bytes: Bytes): Note {
  const whole = fromUtf8(bytes);
  const split = whole.lastIndexOf('\n\n');
  if (split < 0 || !whole.endsWith('\n')) throw new Malformed('noteForm');
  const lines = whole.slice(split + 2, -1).split('\n');
  const signatures = lines.map((line) => {
    const [name, encoded, ...more] = line.slice(DASH.length).split(' ');
    if (!line.startsWith(DASH) || !name || !encoded || more.length) throw new Malformed('noteForm');
    const raw = fromBase64(encoded);
    if (raw.length <= ID_BYTES) throw new Malformed('noteForm');
    return { name, id: raw.slice(0, ID_BYTES), signature: raw.slice(ID_BYTES) };
  });
  return { text: whole.slice(0, split + 1), signatures };
}

export function readCheckpoint(bytes: Bytes): Checkpoint {
  const note = readNote(bytes);
  const [origin, size, root, end, ...more] = note.text.split('\n');
  // A log of this project writes no extension lines: what is more than three lines was put in.
  if (!origin || size === undefined || root === undefined || end !== '' || more.length)
    throw new Malformed('checkpointForm');
  return { origin, size: wholeNumber(size), root: hash(root), note };
}

export function readReceipt(bytes: Bytes): Receipt {
  const split = bytes.findIndex((byte, place) => byte === 10 && bytes[place + 1] === 10);
  if (split < 0) throw new Malformed('receiptForm');
  const [header, index, ...path] = fromUtf8(bytes.slice(0, split)).split('\n');
  // tlog-proof allows a line `extra` that nothing covers; a receipt of this project has none.
  if (header !== RECEIPT || !index?.startsWith('index ')) throw new Malformed('receiptForm');
  return {
    index: wholeNumber(index.slice('index '.length)),
    path: path.map(hash),
    checkpoint: readCheckpoint(bytes.slice(split + 2)),
  };
}

/** The browser cannot check Ed25519: an old one, or a page that did not come over https or from this machine. */
export class Unable extends Error {}

/** Whether `key` signed the note. Signatures of other keys say nothing; one of this key that fails decides. */
export async function isSigned(note: Note, key: VerifierKey): Promise<boolean> {
  const own = note.signatures.filter((each) => each.name === key.name && equal(each.id, key.id));
  if (!own.length) return false;
  const imported = await importKey(key);
  const text = utf8(note.text);
  for (const { signature } of own) {
    const good =
      signature.length === SIGNATURE_BYTES && (await crypto.subtle.verify('Ed25519', imported, signature, text));
    if (!good) return false;
  }
  return true;
}

async function importKey(key: VerifierKey): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey('raw', key.publicKey, 'Ed25519', false, ['verify']);
  } catch (error) {
    throw new Unable(String(error));
  }
}

/** Whether this browser can check what the ledger signs. */
export async function isAble(): Promise<boolean> {
  if (!globalThis.crypto?.subtle) return false;
  try {
    await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
    return true;
  } catch {
    return false;
  }
}
