// From values to grey: the window of PS3.3 C.11.2.1.2.1 as a table over every int16, one look-up a pixel.
export type Window = { center: number; width: number };

const VALUES = 65_536;
const LEAST = -32_768;
const OPAQUE = 0xff000000;

/** Stored numbers; what they mean is `stored x scale + offset`. */
export type Values = { values: Int16Array; scale: number; offset: number };
export type Pixels = { width: number; height: number } & (
  | (Values & { rgb?: undefined })
  | { rgb: Uint8Array; values?: undefined }
);

const SAMPLES = 20_000;

/** From the 1st to the 99th percentile of the values. */
export function usualWindow({ values, scale, offset }: Values): Window {
  const apart = Math.max(1, Math.floor(values.length / SAMPLES));
  const sample = values.filter((_, index) => index % apart === 0).toSorted();
  const at = (share: number): number => (sample[Math.floor(share * (sample.length - 1))] ?? 0) * scale + offset;
  const [low, high] = [at(0.01), at(0.99)];
  return { center: (low + high) / 2, width: Math.max(1, high - low) };
}

/** One colour for each stored int16, as a little-endian RGBA word; index 0 stands for -32768. */
function shades({ scale, offset }: Values, { center, width }: Window, inverted: boolean): Uint32Array {
  const table = new Uint32Array(VALUES);
  const span = Math.max(width - 1, 1e-6);
  for (let index = 0; index < VALUES; index += 1) {
    const share = ((index + LEAST) * scale + offset - (center - 0.5)) / span + 0.5;
    const level = Math.round(255 * Math.min(1, Math.max(0, share)));
    table[index] = OPAQUE | ((inverted ? 255 - level : level) * 0x010101);
  }
  return table;
}

function fill(words: Uint32Array, pixels: Pixels, window: Window, inverted: boolean): void {
  if (pixels.values) {
    const table = shades(pixels, window, inverted);
    const { values } = pixels;
    for (let at = 0; at < words.length; at += 1) words[at] = table[(values[at] ?? 0) - LEAST] ?? OPAQUE;
    return;
  }
  const { rgb } = pixels;
  const turn = inverted ? 0xffffff : 0;
  for (let at = 0, from = 0; at < words.length; at += 1, from += 3) {
    const word = (rgb[from] ?? 0) | ((rgb[from + 1] ?? 0) << 8) | ((rgb[from + 2] ?? 0) << 16);
    words[at] = OPAQUE | (word ^ turn);
  }
}

/** Colours the pixels onto `canvas`, which takes their size; an image in colour has no window. */
export function shadeOnto(canvas: HTMLCanvasElement, pixels: Pixels, window: Window, inverted: boolean): void {
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  const image = new ImageData(pixels.width, pixels.height);
  fill(new Uint32Array(image.data.buffer), pixels, window, inverted);
  canvas.getContext('2d')?.putImageData(image, 0, 0);
}
