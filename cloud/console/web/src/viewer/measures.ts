// What is measured in a pane: points on the sheet, and what they come to.
import { apart, type Point } from './sheet';

/** How many points each kind takes; a polygon takes as many as are set until it is closed. */
export const KINDS = { length: 2, angle: 3, ellipse: 2, polygon: Infinity } as const;
export type Kind = keyof typeof KINDS;
export const isKind = (tool: string): tool is Kind => tool in KINDS;

/** A measurement as a pane draws it. */
export type Mark = { id: number; kind: Kind; points: Point[] };

const degrees = (a: Point, corner: Point, b: Point): number => {
  const first = Math.atan2(a.y - corner.y, a.x - corner.x);
  const second = Math.atan2(b.y - corner.y, b.x - corner.x);
  const between = Math.abs(first - second) * (180 / Math.PI);
  return between > 180 ? 360 - between : between;
};

/** Area inside a closed line (shoelace formula). */
const areaOf = (points: readonly Point[]): number =>
  Math.abs(
    points.reduce((sum, from, index) => {
      const to = points[(index + 1) % points.length] ?? from;
      return sum + from.x * to.y - to.x * from.y;
    }, 0),
  ) / 2;

const FIRST: Point = { x: 0, y: 0 };

/** Length in sheet units, angle in degrees, area in square sheet units. An ellipse fills the box of its two corners. */
const valueOf: Record<Kind, (points: readonly Point[]) => number> = {
  length: ([a = FIRST, b = a]) => apart(a, b),
  angle: ([a = FIRST, corner = a, b = corner]) => degrees(a, corner, b),
  ellipse: ([a = FIRST, b = a]) => (Math.PI / 4) * Math.abs(a.x - b.x) * Math.abs(a.y - b.y),
  polygon: areaOf,
};

export function measureText(kind: Kind, points: readonly Point[], unit: 'mm' | 'px'): string {
  const value = valueOf[kind](points);
  if (kind === 'angle') return `${value.toFixed(1)}°`;
  if (kind === 'length') return `${value.toFixed(1)} ${unit}`;
  // Square centimetres where square millimetres would have five digits.
  return unit === 'mm' && value >= 10_000 ? `${(value / 100).toFixed(1)} cm²` : `${value.toFixed(1)} ${unit}²`;
}

/** Values inside an ellipse or polygon: a point's test. */
export function inside(kind: Kind, points: readonly Point[], at: Point): boolean {
  if (kind === 'ellipse') {
    const [a = FIRST, b = a] = points;
    const [w, h] = [Math.abs(a.x - b.x) / 2, Math.abs(a.y - b.y) / 2];
    return ((at.x - (a.x + b.x) / 2) / w) ** 2 + ((at.y - (a.y + b.y) / 2) / h) ** 2 <= 1;
  }
  let within = false;
  points.forEach((from, index) => {
    const to = points[(index + 1) % points.length] ?? from;
    if (from.y > at.y !== to.y > at.y && at.x < ((to.x - from.x) * (at.y - from.y)) / (to.y - from.y) + from.x)
      within = !within;
  });
  return within;
}
