// Pixels and where they lie on the sheet; values of places and of areas.
import { inside, type Mark } from './measures';
import type { Pixels } from './shade';
import type { Point } from './sheet';

export type Picture = {
  pixels: Pixels;
  width: number;
  height: number;
  /** Sheet place of the middle. */
  x: number;
  y: number;
  /** Sheet length from a pixel to the next, across and down. */
  stepX: number;
  stepY: number;
  /** What is stored where there is nothing: outside the volume. */
  nothing?: number | undefined;
};

const column = (picture: Picture, at: Point): number =>
  Math.round((at.x - picture.x) / picture.stepX + (picture.width - 1) / 2);
const row = (picture: Picture, at: Point): number =>
  Math.round((at.y - picture.y) / picture.stepY + (picture.height - 1) / 2);

/** The value at a place; undefined in colour, outside the picture, and where there is nothing. */
export function valueAt(picture: Picture, at: Point): number | undefined {
  const [x, y] = [column(picture, at), row(picture, at)];
  const { pixels, width, height, nothing } = picture;
  if (!pixels.values || x < 0 || y < 0 || x >= width || y >= height) return undefined;
  const stored = pixels.values[y * width + x];
  return stored === undefined || stored === nothing ? undefined : stored * pixels.scale + pixels.offset;
}

/** Mean and standard deviation of the values inside a mark; undefined for lines and in colour. */
export function spreadOf(picture: Picture | undefined, mark: Mark): { mean: number; sd: number } | undefined {
  if (!picture?.pixels.values || (mark.kind !== 'ellipse' && mark.kind !== 'polygon')) return undefined;
  const xs = mark.points.map(({ x }) => x);
  const ys = mark.points.map(({ y }) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  let [count, sum, squares] = [0, 0, 0];
  for (let y = top; y <= bottom; y += picture.stepY)
    for (let x = left; x <= right; x += picture.stepX) {
      if (!inside(mark.kind, mark.points, { x, y })) continue;
      const value = valueAt(picture, { x, y });
      if (value === undefined) continue;
      count += 1;
      sum += value;
      squares += value * value;
    }
  if (!count) return undefined;
  const mean = sum / count;
  return { mean, sd: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}
