// The checks of a receipt and of a log's growth, step by step. Nothing here asks anybody: what is checked is given.
import { equal, fromBase64, hex, Malformed, utf8, type Bytes } from './bytes';
import { isBeginningOf, leafHash, rootFromInclusion } from './merkle';
import { isSigned, readCheckpoint, readKey, readNote, readReceipt, type Checkpoint } from './notes';

export type State = 'good' | 'bad' | 'skipped';
export type Step = { name: StepName; state: State; problem?: string; value?: string };
export type StepName =
  | 'key'
  | 'receipt'
  | 'signature'
  | 'origin'
  | 'leaf'
  | 'inclusion'
  | 'own'
  | 'checkpoint'
  | 'seen'
  | 'growth';

export type Verdict = 'proved' | 'partly' | 'failed';

/** One step that fails decides; one that was left out leaves the matter open. */
export function verdict(steps: Step[]): Verdict {
  if (steps.some((step) => step.state === 'bad')) return 'failed';
  return steps.every((step) => step.state === 'good') ? 'proved' : 'partly';
}

/** Runs the steps in order; where one fails, those after it are not checked, because they would stand on it. */
class Checks {
  readonly steps: Step[] = [];
  private stopped = false;

  async run<T>(name: StepName, work: () => Promise<T> | T, value?: (made: T) => string): Promise<T | undefined> {
    if (this.stopped) {
      this.steps.push({ name, state: 'skipped' });
      return undefined;
    }
    try {
      const made = await work();
      this.steps.push({ name, state: 'good', ...(value ? { value: value(made) } : {}) });
      return made;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.stopped = true;
      this.steps.push({ name, state: 'bad', problem: error.code });
      return undefined;
    }
  }
}

function must(holds: boolean, code: string): void {
  if (!holds) throw new Malformed(code);
}

/** Steps that are left out where one before them failed stand on values that are there. */
const sure = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('a step stands on one that failed');
  return value;
};

/**
 * Whether the log of this key holds `entry` at the place that the receipt says.
 *
 * `signer` is the key that signed the entry itself; undefined where it is not known here.
 */
export async function checkReceipt(
  receiptBytes: Bytes,
  entry: Bytes,
  keyText: string,
  signer: string | undefined,
): Promise<Step[]> {
  const checks = new Checks();
  const key = await checks.run('key', () => readKey(keyText), (read) => read.name);
  const receipt = await checks.run('receipt', () => readReceipt(receiptBytes), (read) => String(read.index));
  await checks.run('signature', async () => {
    must(await isSigned(sure(receipt).checkpoint.note, sure(key)), 'notSigned');
  });
  await checks.run('origin', () => must(sure(receipt).checkpoint.origin === sure(key).name, 'otherLog'));
  const leaf = await checks.run('leaf', () => leafHash(entry), hex);
  await checks.run(
    'inclusion',
    async () => {
      const { index, path, checkpoint } = sure(receipt);
      const root = await rootFromInclusion(index, checkpoint.size, sure(leaf), path);
      must(root !== undefined && equal(root, checkpoint.root), 'notIncluded');
      return checkpoint.root;
    },
    hex,
  );
  if (signer === undefined) checks.steps.push({ name: 'own', state: 'skipped', problem: 'signerUnknown' });
  else await checks.run('own', () => checkOwn(entry, signer), (name) => name);
  return checks.steps;
}

/** The entry's own signature, by the log or by a device. */
async function checkOwn(entry: Bytes, signer: string): Promise<string> {
  const key = await readKey(signer);
  must(await isSigned(readNote(entry), key), 'notOwn');
  return key.name;
}

/** Whether the log of this key that was seen before is the beginning of the one of now. */
export async function checkGrowth(
  seen: string,
  now: string,
  keyText: string,
  proof: (oldSize: number, newSize: number) => Promise<string[]>,
): Promise<Step[]> {
  const checks = new Checks();
  const key = await checks.run('key', () => readKey(keyText), (read) => read.name);
  const read = async (text: string): Promise<Checkpoint> => {
    const checkpoint = readCheckpoint(utf8(text));
    must(checkpoint.origin === sure(key).name, 'otherLog');
    must(await isSigned(checkpoint.note, sure(key)), 'notSigned');
    return checkpoint;
  };
  const newer = await checks.run('checkpoint', () => read(now), (made) => String(made.size));
  const older = await checks.run('seen', () => read(seen), (made) => String(made.size));
  await checks.run('growth', async () => {
    const [from, to] = [sure(older), sure(newer)];
    must(from.size <= to.size, 'shrunk');
    const hashes = from.size === 0 || from.size === to.size ? [] : await proof(from.size, to.size);
    must(await isBeginningOf(from, to, hashes.map(fromBase64)), 'rewritten');
  });
  return checks.steps;
}
