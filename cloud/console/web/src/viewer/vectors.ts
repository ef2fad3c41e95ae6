// Directions and places in the patient: DICOM's LPS coordinates, mm: x to the left, y to the back, z to the head.
export type Vector = readonly [number, number, number];

export const PANES = ['axial', 'coronal', 'sagittal', 'oblique'] as const;
export type PaneName = (typeof PANES)[number];
/** Unit vectors to the right of a picture and down. */
export type Directions = { u: Vector; v: Vector };

const SLANT = Math.SQRT1_2;
/** As the server names them: axial seen from the feet, coronal from the front, sagittal from the left. */
export const DIRECTIONS: Record<PaneName, Directions> = {
  axial: { u: [1, 0, 0], v: [0, 1, 0] },
  coronal: { u: [1, 0, 0], v: [0, 0, -1] },
  sagittal: { u: [0, 1, 0], v: [0, 0, -1] },
  oblique: { u: [SLANT, SLANT, 0], v: [0, 0, -1] },
};

export const vector = (values: readonly number[]): Vector => [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0];
export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const length = (a: Vector): number => Math.hypot(...a);
export const times = (a: Vector, by: number): Vector => [a[0] * by, a[1] * by, a[2] * by];
export const plus = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const unit = (a: Vector): Vector => times(a, 1 / length(a));
export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** `a` turned about the unit vector `axis`, right-handed (Rodrigues). */
export function turned(a: Vector, axis: Vector, radians: number): Vector {
  const [c, s] = [Math.cos(radians), Math.sin(radians)];
  const along = times(axis, dot(axis, a) * (1 - c));
  return plus(plus(times(a, c), times(cross(axis, a), s)), along);
}

/** Both directions turned, and set upright again so that rounding never adds up. */
export function turnedPlane({ u, v }: Directions, axis: Vector, radians: number): Directions {
  const right = unit(turned(u, axis, radians));
  const down = turned(v, axis, radians);
  return { u: right, v: unit(minus(down, times(right, dot(down, right)))) };
}

/** Away from the beholder. */
export const normalOf = ({ u, v }: Directions): Vector => cross(u, v);

const LETTERS = [
  ['L', 'R'],
  ['P', 'A'],
  ['H', 'F'],
] as const;
// Below a sine of five degrees a direction is called by its main letter alone.
const NAMED_FROM = Math.sin((5 * Math.PI) / 180);

/** The patient's sides that a direction points to, the main one first: `L`, `LP`, `HAR`. */
export function letters(direction: Vector): string {
  const along = unit(direction);
  return [0, 1, 2]
    .filter((axis) => Math.abs(along[axis] ?? 0) > NAMED_FROM)
    .toSorted((a, b) => Math.abs(along[b] ?? 0) - Math.abs(along[a] ?? 0))
    .map((axis) => LETTERS[axis]?.[(along[axis] ?? 0) < 0 ? 1 : 0])
    .join('');
}

/** The letters at the four edges of a picture. */
export type Edges = { left: string; right: string; top: string; bottom: string };

export const edgesOf = ({ u, v }: Directions): Edges => ({
  left: letters(times(u, -1)),
  right: letters(u),
  top: letters(times(v, -1)),
  bottom: letters(v),
});

/** A place in words of the patient's sides: `L 12.0  P 3.4  H 55.0`. */
export const placeText = (place: Vector): string =>
  place.map((mm, axis) => `${LETTERS[axis]?.[mm < 0 ? 1 : 0]} ${Math.abs(mm).toFixed(1)}`).join('  ');

/** How far a plane lies along its normal from the patient's origin: with a letter where that is one of the sides. */
export function positionText(plane: Directions, place: Vector): string {
  const normal = normalOf(plane);
  const mm = dot(place, normal);
  const side = letters(times(normal, mm < 0 ? -1 : 1));
  return side.length === 1 ? `${side} ${Math.abs(mm).toFixed(1)} mm` : `${mm.toFixed(1)} mm`;
}
