// Geometry of measuring on a still: pure, no page, no state. Points are still pixels, x to the right, y down.
import type { Ellipse, ScaleRegion as Region } from '../api/client';

export interface Point {
  x: number;
  y: number;
}

/** What a person draws. An angle's first point is its vertex. */
export type Shape =
  | { kind: 'length'; points: [Point, Point] }
  | { kind: 'angle'; points: [Point, Point, Point] }
  | { kind: 'ellipse'; ellipse: Ellipse };
export type Kind = Shape['kind'];

/** What a handle moves: a point by its place, or a part of an ellipse. */
export type Grip = 0 | 1 | 2 | 'centre' | 'long' | 'short' | 'turn';

export interface Handle {
  grip: Grip;
  at: Point;
}

/** Why a length is not millimetres: no region at all, not wholly in one, in two, in two that say different things. */
export type WhyPixels = 'none' | 'outside' | 'several' | 'differ';

export interface Figure {
  name: 'length' | 'angle' | 'hc' | 'bpd' | 'ofd';
  value: number;
  unit: 'mm' | 'px' | '°';
}

export interface Measured {
  /** The figure that stands for the shape comes first. */
  figures: Figure[];
  /** Set where the figures do not rest on a calibrated region. */
  why: WhyPixels | undefined;
}

const SAME_STEP = 1e-3;
/** How far the turning handle stands beyond the end of the longer axis, as a share of it. */
const TURN_REACH = 1.12;
const SMALLEST_AXIS_PX = 2;
/** BPD / OFD of an ellipse as it is first drawn: about that of most heads. */
const FIRST_AXIS_RATIO = 0.78;
const FIRST_ANGLE = Math.PI / 4;

interface Steps {
  x: number;
  y: number;
}

const PIXELS: Steps = { x: 1, y: 1 };
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

export const distance = (a: Point, b: Point, steps: Steps = PIXELS): number =>
  Math.hypot((b.x - a.x) * steps.x, (b.y - a.y) * steps.y);

/** Angle at the vertex, degrees, 0 to 180. */
export function angleAt([vertex, first, second]: [Point, Point, Point], steps: Steps = PIXELS): number {
  const arm = (to: Point): [number, number] => [(to.x - vertex.x) * steps.x, (to.y - vertex.y) * steps.y];
  const [[ax, ay], [bx, by]] = [arm(first), arm(second)];
  return (Math.atan2(Math.abs(ax * by - ay * bx), ax * bx + ay * by) * 180) / Math.PI;
}

/** Circumference of an ellipse of these half axes: Ramanujan 1914, as in cloud/infer/measure.py. */
export const perimeter = (a: number, b: number): number =>
  Math.PI * (3 * (a + b) - Math.sqrt((3 * a + b) * (a + 3 * b)));

/**
 * Half axes of the ellipse as steps of unequal length show it, the longer one first: the singular values of
 * diag(steps) R(angle) diag(a, b).
 */
export function halfAxes(e: Ellipse, steps: Steps = PIXELS): [number, number] {
  const [cosine, sine] = [Math.cos(radians(e.angle_deg)), Math.sin(radians(e.angle_deg))];
  const [m11, m12] = [steps.x * cosine * e.a, -steps.x * sine * e.b];
  const [m21, m22] = [steps.y * sine * e.a, steps.y * cosine * e.b];
  const q = Math.hypot((m11 + m22) / 2, (m21 - m12) / 2);
  const r = Math.hypot((m11 - m22) / 2, (m21 + m12) / 2);
  return [q + r, Math.abs(q - r)];
}

/** The same ellipse with a >= b and its angle in 0..180, as the server has them. */
export function upright(e: Ellipse): Ellipse {
  const turned = e.b > e.a;
  const angle = (((e.angle_deg + (turned ? 90 : 0)) % 180) + 180) % 180;
  return { ...e, a: Math.max(e.a, e.b), b: Math.min(e.a, e.b), angle_deg: angle };
}

interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

function extent(shape: Shape): Box {
  if (shape.kind === 'ellipse') {
    const { cx, cy, a, b, angle_deg } = shape.ellipse;
    const [cosine, sine] = [Math.cos(radians(angle_deg)), Math.sin(radians(angle_deg))];
    const [w, h] = [Math.hypot(a * cosine, b * sine), Math.hypot(a * sine, b * cosine)];
    return { x0: cx - w, y0: cy - h, x1: cx + w, y1: cy + h };
  }
  const [xs, ys] = [shape.points.map((p) => p.x), shape.points.map((p) => p.y)];
  return { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys) };
}

const holds = (r: Region, b: Box): boolean => b.x0 >= r.x0 && b.x1 <= r.x1 && b.y0 >= r.y0 && b.y1 <= r.y1;
const meets = (r: Region, b: Box): boolean => b.x0 < r.x1 && b.x1 > r.x0 && b.y0 < r.y1 && b.y1 > r.y0;
const alike = (a: number, b: number): boolean => Math.abs(a - b) <= SAME_STEP * Math.max(a, b);

/** Millimetres per step where the whole shape lies in one calibrated region; otherwise why not. */
function stepsOf(shape: Shape, regions: readonly Region[]): Steps | WhyPixels {
  const box = extent(shape);
  const around = regions.filter((region) => holds(region, box));
  const [first] = around;
  if (!first) {
    if (!regions.length) return 'none';
    return regions.filter((region) => meets(region, box)).length > 1 ? 'several' : 'outside';
  }
  const steps = { x: first.mm_per_pixel_x, y: first.mm_per_pixel_y };
  const agree = around.every((r) => alike(r.mm_per_pixel_x, steps.x) && alike(r.mm_per_pixel_y, steps.y));
  return agree ? steps : 'differ';
}

/** Length, angle, or HC with BPD and OFD of a shape: millimetres where they may be, pixels otherwise. */
export function measured(shape: Shape, regions: readonly Region[]): Measured {
  const found = stepsOf(shape, regions);
  const [steps, why] = typeof found === 'string' ? [PIXELS, found] : [found, undefined];
  const unit = why ? 'px' : 'mm';
  if (shape.kind === 'length')
    return { figures: [{ name: 'length', value: distance(...shape.points, steps), unit }], why };
  if (shape.kind === 'angle')
    return { figures: [{ name: 'angle', value: angleAt(shape.points, steps), unit: '°' }], why };
  const [a, b] = halfAxes(shape.ellipse, steps);
  const figures: Figure[] = [
    { name: 'hc', value: perimeter(a, b), unit },
    { name: 'bpd', value: 2 * b, unit },
    { name: 'ofd', value: 2 * a, unit },
  ];
  return { figures, why };
}

const along = (e: Ellipse, degrees: number, reach: number): Point => ({
  x: e.cx + reach * Math.cos(radians(e.angle_deg + degrees)),
  y: e.cy + reach * Math.sin(radians(e.angle_deg + degrees)),
});

/** Where a shape can be taken hold of. */
export function handlesOf(shape: Shape): Handle[] {
  if (shape.kind !== 'ellipse') return shape.points.map((at, place) => ({ grip: place as 0 | 1 | 2, at }));
  const e = shape.ellipse;
  return [
    { grip: 'centre', at: { x: e.cx, y: e.cy } },
    { grip: 'long', at: along(e, 0, e.a) },
    { grip: 'short', at: along(e, 90, e.b) },
    { grip: 'turn', at: along(e, 180, e.a * TURN_REACH) },
  ];
}

function movedEllipse(e: Ellipse, grip: Grip, to: Point): Ellipse {
  if (grip === 'centre') return { ...e, cx: to.x, cy: to.y };
  const [dx, dy] = [to.x - e.cx, to.y - e.cy];
  if (grip === 'turn') return { ...e, angle_deg: (Math.atan2(-dy, -dx) * 180) / Math.PI };
  const axis = radians(e.angle_deg + (grip === 'short' ? 90 : 0));
  const reach = Math.max(SMALLEST_AXIS_PX, dx * Math.cos(axis) + dy * Math.sin(axis));
  return grip === 'short' ? { ...e, b: reach } : { ...e, a: reach };
}

/** The shape with one handle moved to a point. */
export function moved(shape: Shape, grip: Grip, to: Point): Shape {
  if (shape.kind === 'ellipse') return { kind: 'ellipse', ellipse: movedEllipse(shape.ellipse, grip, to) };
  const points = shape.points.map((at, place) => (place === grip ? to : at));
  return { ...shape, points } as Shape;
}

/** A new shape drawn from one point to another: an ellipse's longer axis, an angle's first arm. */
export function drawn(kind: Kind, from: Point, to: Point): Shape {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  if (kind === 'length') return { kind, points: [from, to] };
  if (kind === 'angle') {
    const [cosine, sine] = [Math.cos(FIRST_ANGLE), Math.sin(FIRST_ANGLE)];
    const second = { x: from.x + dx * cosine + dy * sine, y: from.y - dx * sine + dy * cosine };
    return { kind, points: [from, to, second] };
  }
  const a = Math.max(SMALLEST_AXIS_PX, Math.hypot(dx, dy) / 2);
  const [cx, cy] = [from.x + dx / 2, from.y + dy / 2];
  return { kind, ellipse: { cx, cy, a, b: a * FIRST_AXIS_RATIO, angle_deg: (Math.atan2(dy, dx) * 180) / Math.PI } };
}

/** Where a shape's value stands: below an ellipse, to the right of the others. */
export function anchor(shape: Shape): Point & { below: boolean } {
  const { x0, x1, y0, y1 } = extent(shape);
  const below = shape.kind === 'ellipse';
  return below ? { x: (x0 + x1) / 2, y: y1, below } : { x: x1, y: (y0 + y1) / 2, below };
}
