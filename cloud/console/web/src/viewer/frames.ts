// Frames of a series: some are asked for ahead; kept up to a number of bytes, oldest look first out.
import type { Given } from './newest';
import type { Frame, Spot } from './series';

const KEPT_BYTES = 192 * 1024 ** 2;

const nameOf = ({ image, frame }: Spot): string => `${image} ${frame}`;
const bytesOf = ({ pixels }: Frame): number => (pixels.values ?? pixels.rgb).byteLength;

export function makeFrames(call: (spot: Spot, signal?: AbortSignal) => Promise<Given<Frame>>) {
  const kept = new Map<string, Frame>();
  const coming = new Map<string, Promise<Given<Frame>>>();
  let total = 0;

  function keep(name: string, frame: Frame): void {
    kept.set(name, frame);
    total += bytesOf(frame);
    for (const [oldest, old] of kept) {
      if (total <= KEPT_BYTES || oldest === name) break;
      kept.delete(oldest);
      total -= bytesOf(old);
    }
  }

  async function fetched(spot: Spot, signal?: AbortSignal): Promise<Given<Frame>> {
    const given = await call(spot, signal);
    if (given.ok && !kept.has(nameOf(spot))) keep(nameOf(spot), given.data);
    return given;
  }

  async function get(spot: Spot, signal: AbortSignal): Promise<Given<Frame>> {
    const name = nameOf(spot);
    const known = kept.get(name);
    if (!known) return (await coming.get(name)) ?? fetched(spot, signal);
    kept.delete(name);
    kept.set(name, known);
    return { ok: true, data: known };
  }

  /** Fetches a frame that will be wanted, one call for each. */
  function ahead(spot: Spot): void {
    const name = nameOf(spot);
    if (kept.has(name) || coming.has(name)) return;
    const under = fetched(spot);
    coming.set(name, under);
    void under.finally(() => coming.delete(name));
  }

  function clear(): void {
    kept.clear();
    total = 0;
  }

  return { get, has: (spot: Spot) => kept.has(nameOf(spot)), ahead, clear };
}
