// Frames of a stack: asked for ahead of the one that is shown, kept up to a number of bytes, oldest look first out.
import type { Given } from './newest';
import type { Frame } from './series';

const KEPT_BYTES = 192 * 1024 ** 2;

export type Frames = {
  get: (index: number, signal: AbortSignal) => Promise<Given<Frame>>;
  has: (index: number) => boolean;
  ahead: (index: number) => void;
  clear: () => void;
};

const bytesOf = ({ pixels }: Frame): number => (pixels.values ?? pixels.rgb).byteLength;

export function makeFrames(call: (index: number, signal?: AbortSignal) => Promise<Given<Frame>>): Frames {
  const kept = new Map<number, Frame>();
  const coming = new Map<number, Promise<Given<Frame>>>();
  let total = 0;

  function keep(index: number, frame: Frame): void {
    kept.set(index, frame);
    total += bytesOf(frame);
    for (const [oldest, old] of kept) {
      if (total <= KEPT_BYTES || oldest === index) break;
      kept.delete(oldest);
      total -= bytesOf(old);
    }
  }

  async function fetched(index: number, signal?: AbortSignal): Promise<Given<Frame>> {
    const given = await call(index, signal);
    if (given.ok && !kept.has(index)) keep(index, given.data);
    return given;
  }

  async function get(index: number, signal: AbortSignal): Promise<Given<Frame>> {
    const known = kept.get(index);
    if (!known) return (await coming.get(index)) ?? fetched(index, signal);
    kept.delete(index);
    kept.set(index, known);
    return { ok: true, data: known };
  }

  /** Fetches a frame that will be wanted, one call for each. */
  function ahead(index: number): void {
    if (kept.has(index) || coming.has(index)) return;
    const under = fetched(index);
    coming.set(index, under);
    void under.finally(() => coming.delete(index));
  }

  function clear(): void {
    kept.clear();
    total = 0;
  }

  return { get, has: (index) => kept.has(index), ahead, clear };
}
