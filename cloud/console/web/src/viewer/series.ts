// Series as the server tells them, and what its raw answers hold.
import { api, type Said, type SeriesFacts, type SeriesItem, type SlabMode, type TagRow } from '../api/client';
import { attempt, type Outcome } from '../session';
import type { Given } from './newest';
import type { Body } from './planes';
import type { Pixels, Window } from './shade';
import type { Point } from './sheet';
import { vector, type Directions, type Vector } from './vectors';

export const SLAB_MODES: SlabMode[] = ['mean', 'mip', 'minip'];
export type Frame = {
  pixels: Pixels;
  /** Frames of its image. */
  count: number;
  /** From a pixel to the next, mm; undefined where the image does not say. */
  spacing: Point | undefined;
  directions: Directions | undefined;
  position: Vector | undefined;
};
export type SliceWish = Directions & {
  fine: boolean;
  seriesId: string;
  version: number;
  pane: string;
  centre: Vector;
  size: number;
  step: number;
  slab: number;
  mode: SlabMode;
};

export const zipUrl = ({ series_id }: SeriesFacts): string => `/api/series/${series_id}/dicom.zip`;

export const titleOf = ({ modality, body_part, number }: SeriesItem): string =>
  [modality, body_part, number === null ? '' : `#${number}`].filter(Boolean).join(' · ') || '–';

/** The window to begin with; undefined where neither the images nor a volume give one. */
export const windowOf = ({ default_window: { center, width } }: SeriesFacts): Window | undefined =>
  width > 0 ? { center, width } : undefined;

/** Number of the preset that is shown, -1 where it is none of them. */
export const presetOf = ({ presets }: SeriesFacts, shown: Window): number =>
  presets.findIndex(({ center, width }) => center === shown.center && width === shown.width);

const NOWHERE: Body = {
  origin: [0, 0, 0],
  axes: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  spacing: [1, 1, 1],
  count: [1, 1, 1],
};

/** The volume as a box; one voxel at the origin where there is none. */
export function bodyOf({ geometry }: SeriesFacts): Body {
  if (!geometry) return NOWHERE;
  const [x = [], y = [], z = []] = geometry.axes;
  return {
    origin: vector(geometry.origin_mm),
    axes: [vector(x), vector(y), vector(z)],
    spacing: vector(geometry.spacing_mm),
    count: vector(geometry.size),
  };
}

/** Where one picture of a series is: its image and the frame of this, both from 0. */
export type Spot = { image: number; frame: number };

/** A loop is gone through frame by frame, everything else image by image. */
export const byFrames = ({ frames }: SeriesFacts): boolean => frames.count > 1;

// -- raw answers -----------------------------------------------------------------------------------------------------

type Raw = { data?: unknown; error?: unknown; response: Response };

/** Bytes and headers of a call, or why there are none, in the server's words where it has some. */
async function raw<T>(call: Promise<Raw>, read: (bytes: ArrayBuffer, headers: Headers) => T): Promise<Given<T>> {
  let answer: Raw | undefined;
  const outcome = await attempt(call.then((came) => (answer = came)));
  if (outcome.ok && answer) return { ok: true, data: read(answer.data as ArrayBuffer, answer.response.headers) };
  const why = answer?.response.status === 409 ? (answer.error as Said) : undefined;
  if (why) return { ok: false, problem: 'CONFLICT', why };
  return { ok: false, problem: outcome.ok ? 'BUSY' : outcome.problem };
}

const list = (values: readonly number[], digits: number): string => values.map((value) => value.toFixed(digits)).join(',');

const sliceQuery = ({ u, v, version, pane, centre, size, step, slab, mode }: SliceWish) => ({
  c: list(centre, 3),
  u: list(u, 8),
  v: list(v, 8),
  size,
  px: Number(step.toFixed(5)),
  slab,
  mode,
  version,
  pane,
});

export const sliceName = (wish: SliceWish): string => JSON.stringify(sliceQuery(wish));

const number = (headers: Headers, name: string, otherwise: number): number => {
  const value = headers.get(name);
  return value === null ? otherwise : Number(value);
};

type Slice = { pixels: Pixels; nothing: number | undefined };

export function fetchSlice(wish: SliceWish, signal: AbortSignal): Promise<Given<Slice>> {
  const params = { path: { series_id: wish.seriesId }, query: sliceQuery(wish) };
  const call = api.GET('/api/series/{series_id}/slice', { params, parseAs: 'arrayBuffer', signal });
  return raw(call, (bytes, headers) => ({
    pixels: {
      width: wish.size,
      height: wish.size,
      values: new Int16Array(bytes),
      scale: number(headers, 'X-Scale', 1),
      offset: number(headers, 'X-Offset', 0),
    },
    nothing: number(headers, 'X-Background', NaN),
  }));
}

function pixelsOf(bytes: ArrayBuffer, headers: Headers): Pixels {
  const [width, height] = [number(headers, 'X-Width', 0), number(headers, 'X-Height', 0)];
  if (headers.get('X-Format') === 'rgb8') return { width, height, rgb: new Uint8Array(bytes) };
  const [scale, offset] = [number(headers, 'X-Scale', 1), number(headers, 'X-Offset', 0)];
  return { width, height, values: new Int16Array(bytes), scale, offset };
}

const numbers = (headers: Headers, name: string): number[] | undefined => headers.get(name)?.split(',').map(Number);

function frameFrom(bytes: ArrayBuffer, headers: Headers): Frame {
  const spacing = numbers(headers, 'X-Spacing');
  const directions = numbers(headers, 'X-Directions');
  const position = numbers(headers, 'X-Position');
  return {
    pixels: pixelsOf(bytes, headers),
    count: number(headers, 'X-Frames', 1),
    spacing: spacing && { x: spacing[0] ?? 1, y: spacing[1] ?? 1 },
    directions: directions && { u: vector(directions), v: vector(directions.slice(3)) },
    position: position && vector(position),
  };
}

export function fetchFrame(facts: SeriesFacts, { image, frame }: Spot, signal?: AbortSignal): Promise<Given<Frame>> {
  const params = {
    path: { series_id: facts.series_id, index: image },
    query: { frame, version: facts.version },
  };
  const call = api.GET('/api/series/{series_id}/images/{index}', {
    params,
    parseAs: 'arrayBuffer',
    ...(signal ? { signal } : {}),
  });
  return raw(call, frameFrom);
}

export const fetchTags = ({ series_id, version }: SeriesFacts, index: number): Promise<Outcome<TagRow[]>> =>
  attempt(
    api.GET('/api/series/{series_id}/images/{index}/tags', {
      params: { path: { series_id, index }, query: { version } },
    }),
  );

const REGION = '(0018,6011)';
const CENTIMETRES = '3';
const MM_IN_CM = 10;

/** The scale of an ultrasound image that has a single region in centimetres (PS3.3 C.8.5.5), mm; several differ. */
export function regionSpacing(tags: readonly TagRow[]): Point | undefined {
  if (tags.some(({ tag }) => tag.startsWith(`${REGION}[1]`))) return undefined;
  const of = (keyword: string): string | undefined =>
    tags.find((each) => each.tag.startsWith(`${REGION}[0]`) && each.keyword === keyword)?.value;
  const isLength = of('PhysicalUnitsXDirection') === CENTIMETRES && of('PhysicalUnitsYDirection') === CENTIMETRES;
  const [x, y] = [Number(of('PhysicalDeltaX')), Number(of('PhysicalDeltaY'))];
  return isLength && x > 0 && y > 0 ? { x: x * MM_IN_CM, y: y * MM_IN_CM } : undefined;
}
