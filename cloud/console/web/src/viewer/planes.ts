// The four planes through one place of the patient: where they lie, and how they move together.
import { reactive, shallowRef } from 'vue';

import { fitting, type Point, type Size, type View } from './sheet';
import {
  cross as product,
  DIRECTIONS,
  dot,
  minus,
  normalOf,
  PANES,
  plus,
  times,
  turnedPlane,
  type Directions,
  type PaneName,
  type Vector,
} from './vectors';

/** The volume as a box in the patient. */
export type Body = {
  /** Centre of its first voxel. */
  origin: Vector;
  /** Unit vectors along its three edges. */
  axes: readonly [Vector, Vector, Vector];
  spacing: Vector;
  /** Voxels along each edge. */
  count: Vector;
};

export type Plane = Directions & {
  /** The patient's place that is the sheet's zero. */
  look: Vector;
  view: View;
  /** Scale at which all of the volume just fits. */
  whole: number;
  /** Whether the view still is as `reset` made it. */
  fitted: boolean;
};

// These three stay at right angles to each other; the fourth turns alone.
const TRIAD: readonly PaneName[] = ['axial', 'coronal', 'sagittal'];
const PARALLEL = 0.999;

const centreOf = ({ origin, axes, spacing, count }: Body): Vector =>
  axes.reduce<Vector>((at, axis, i) => plus(at, times(axis, (((count[i] ?? 1) - 1) / 2) * (spacing[i] ?? 0))), origin);

/** How far the box reaches along a direction, mm. */
const extent = ({ axes, spacing, count }: Body, along: Vector): number =>
  axes.reduce((sum, axis, i) => sum + Math.abs(dot(axis, along)) * (spacing[i] ?? 0) * (count[i] ?? 0), 0);

/** The place, moved into the box where it lies outside. */
export function within({ origin, axes, spacing, count }: Body, place: Vector): Vector {
  const from = minus(place, origin);
  return axes.reduce<Vector>((at, axis, i) => {
    const most = ((count[i] ?? 1) - 1) * (spacing[i] ?? 0);
    return plus(at, times(axis, Math.min(most, Math.max(0, dot(from, axis)))));
  }, origin);
}

/** Where the outermost planes of voxels' centres lie along a direction, from the patient's origin, mm. */
export function reach(body: Body, along: Vector): [number, number] {
  const middle = dot(centreOf(body), along);
  const half = body.axes.reduce(
    (sum, axis, i) => sum + (Math.abs(dot(axis, along)) * (body.spacing[i] ?? 0) * ((body.count[i] ?? 1) - 1)) / 2,
    0,
  );
  return [middle - half, middle + half];
}

/** From one layer of voxels to the next along a direction, mm. */
export const stepAlong = ({ axes, spacing }: Body, along: Vector): number =>
  1 / Math.hypot(...axes.map((axis, i) => dot(axis, along) / (spacing[i] ?? 1)));

export function usePlanes(body: () => Body) {
  const place = shallowRef(centreOf(body()));
  const start = (name: PaneName): Plane => ({
    ...DIRECTIONS[name],
    look: centreOf(body()),
    view: { x: 0, y: 0, scale: 1 },
    whole: 1,
    fitted: true,
  });
  const planes = reactive(Object.fromEntries(PANES.map((name) => [name, start(name)]))) as Record<PaneName, Plane>;
  const sizes = {} as Record<PaneName, Size>;

  /** Where a place of the patient lies on a pane's sheet, seen along its normal. */
  function toSheet(name: PaneName, at: Vector): Point {
    const { u, v, look } = planes[name];
    const from = minus(at, look);
    return { x: dot(from, u), y: dot(from, v) };
  }

  /** The place of the patient under a point of the sheet: in the plane through the crosshair. */
  function toPatient(name: PaneName, point: Point): Vector {
    const plane = planes[name];
    const at = plus(plane.look, plus(times(plane.u, point.x), times(plane.v, point.y)));
    const normal = normalOf(plane);
    return plus(at, times(normal, dot(minus(place.value, at), normal)));
  }

  const moveTo = (at: Vector) => (place.value = within(body(), at));
  const put = (name: PaneName, point: Point) => moveTo(toPatient(name, point));

  function scroll(name: PaneName, steps: number): void {
    const normal = normalOf(planes[name]);
    moveTo(plus(place.value, times(normal, steps * stepAlong(body(), normal))));
  }

  /** Gives a plane other directions; the crosshair stays where it is on the screen. */
  function direct(name: PaneName, { u, v }: Directions): void {
    const { x, y } = toSheet(name, place.value);
    const look = minus(place.value, plus(times(u, x), times(v, y)));
    planes[name] = { ...planes[name], u, v, look, fitted: false };
  }

  /** Turns what is dragged in a pane about this pane's normal: the triad's others together, or one alone. */
  function turn(inside: PaneName, dragged: PaneName | undefined, radians: number, alone: boolean): void {
    const axis = normalOf(planes[inside]);
    const turning =
      dragged && (alone || dragged === 'oblique') ? [dragged] : TRIAD.filter((name) => name !== inside);
    for (const name of turning) direct(name, turnedPlane(planes[name], axis, radians));
  }

  /** Turns a pane's own plane about its horizontal (u) or vertical (v), or the picture in itself (n). */
  function tilt(name: PaneName, about: 'u' | 'v' | 'n', radians: number): void {
    const plane = planes[name];
    const axis = about === 'n' ? normalOf(plane) : plane[about];
    const turning =
      about === 'n' || !TRIAD.includes(name)
        ? [name]
        : TRIAD.filter((each) => Math.abs(dot(normalOf(planes[each]), axis)) < PARALLEL);
    for (const each of turning) direct(each, turnedPlane(planes[each], axis, radians));
  }

  function fit(name: PaneName): void {
    const { u, v } = planes[name];
    const size = sizes[name] ?? { width: 0, height: 0 };
    const scale = fitting({ width: extent(body(), u), height: extent(body(), v) }, size);
    planes[name] = { ...planes[name], view: { x: 0, y: 0, scale }, whole: scale, fitted: true };
  }

  /** A pane has another size; its view follows as long as nobody changed it. */
  function resized(name: PaneName, size: Size): void {
    sizes[name] = size;
    if (planes[name].fitted) fit(name);
  }

  const look = (name: PaneName, view: View) => (planes[name] = { ...planes[name], view, fitted: false });

  function reset(): void {
    place.value = centreOf(body());
    for (const name of PANES) {
      planes[name] = start(name);
      fit(name);
    }
  }

  const isTurned = (name: PaneName): boolean =>
    Math.abs(dot(normalOf(planes[name]), normalOf(DIRECTIONS[name]))) < 0.999_95;

  /** Where the plane of `other` is seen in a pane: the direction of the line on the sheet; none where they are parallel. */
  function trace(name: PaneName, other: PaneName): Point | undefined {
    const { u, v } = planes[name];
    const along = product(normalOf(planes[name]), normalOf(planes[other]));
    const long = Math.hypot(...along);
    return long < 0.02 ? undefined : { x: dot(along, u) / long, y: dot(along, v) / long };
  }

  return { place, planes, toSheet, toPatient, put, moveTo, scroll, turn, tilt, direct, resized, look, reset, isTurned, trace };
}

export type Planes = ReturnType<typeof usePlanes>;
