// What a person sees of each still: its part, and its grey levels. Kept by image while the page is open.
import { reactive, watch } from 'vue';

import { session } from '../session';
import type { Point } from './geometry';

export const FULL_WINDOW = 255;
export const MIDDLE_LEVEL = 127.5;
const ZOOM_MAX = 32;
const WINDOW_MIN = 1;

export interface View {
  /** 1: the whole of what there is to see fits. */
  zoom: number;
  /** Centre of the part that is seen, as a share of the whole. */
  x: number;
  y: number;
  /** Grey levels from black to white. */
  width: number;
  /** The level that becomes middle grey. */
  level: number;
}

/** An upright rectangle in still pixels. */
export interface Frame {
  x: number;
  y: number;
  w: number;
  h: number;
}

const fresh = (): View => ({ zoom: 1, x: 0.5, y: 0.5, width: FULL_WINDOW, level: MIDDLE_LEVEL });
const kept = new Map<string, View>();
// The next person who signs in may be another.
watch(() => session.phase, (phase) => phase === 'out' && kept.clear());

export function viewOf(imageId: string): View {
  const known = kept.get(imageId) ?? reactive(fresh());
  kept.set(imageId, known);
  return known;
}

const between = (low: number, value: number, high: number): number => Math.min(high, Math.max(low, value));

/** The part of the whole that is seen. */
export function seen(view: View, whole: Frame): Frame {
  const [w, h] = [whole.w / view.zoom, whole.h / view.zoom];
  return { x: whole.x + view.x * whole.w - w / 2, y: whole.y + view.y * whole.h - h / 2, w, h };
}

/** Zooms so that a point of the still stays where it is on the screen. */
export function zoomAbout(view: View, whole: Frame, point: Point, factor: number): void {
  const zoom = between(1, view.zoom * factor, ZOOM_MAX);
  const [px, py] = [(point.x - whole.x) / whole.w, (point.y - whole.y) / whole.h];
  const ratio = view.zoom / zoom;
  if (zoom === 1) fit(view);
  else Object.assign(view, { zoom, x: px + (view.x - px) * ratio, y: py + (view.y - py) * ratio });
}

export function zoomTo(view: View, zoom: number): void {
  const middle: Frame = { x: 0, y: 0, w: 1, h: 1 };
  zoomAbout(view, middle, { x: view.x, y: view.y }, zoom / view.zoom);
}

/** Moves the picture by this many still pixels; its edge never passes the middle. */
export function pan(view: View, whole: Frame, dx: number, dy: number): void {
  view.x = between(0, view.x - dx / whole.w, 1);
  view.y = between(0, view.y - dy / whole.h, 1);
}

export function setWindow(view: View, width: number, level: number): void {
  view.width = between(WINDOW_MIN, width, 4 * FULL_WINDOW);
  view.level = between(-FULL_WINDOW, level, 2 * FULL_WINDOW);
}

export const fit = (view: View): void => void Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
export const reset = (view: View): void => void Object.assign(view, fresh());

/** Straight line from grey level to brightness, both 0..1; undefined where nothing changes. */
export function greyLine(view: View): { slope: number; intercept: number } | undefined {
  if (view.width === FULL_WINDOW && view.level === MIDDLE_LEVEL) return undefined;
  return { slope: FULL_WINDOW / view.width, intercept: 0.5 - view.level / view.width };
}
