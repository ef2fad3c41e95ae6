// The sheet: the flat on which a pane's picture lies, mm (pixels where the scale is unknown), x right, y down.
export type Point = { x: number; y: number };
export type Size = { width: number; height: number };

/** What of the sheet a pane shows. */
export type View = {
  /** Sheet place in the middle of the pane. */
  x: number;
  y: number;
  /** Sheet length that one CSS pixel covers. */
  scale: number;
};

const NARROWEST = 1e-3;
const WIDEST = 50;
const MARGIN = 1.08;
const RULERS = [200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1];

export const toScreen = (view: View, size: Size, at: Point): Point => ({
  x: (at.x - view.x) / view.scale + size.width / 2,
  y: (at.y - view.y) / view.scale + size.height / 2,
});

export const toSheet = (view: View, size: Size, at: Point): Point => ({
  x: (at.x - size.width / 2) * view.scale + view.x,
  y: (at.y - size.height / 2) * view.scale + view.y,
});

export const apart = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);

/** Sheet length per CSS pixel at which `content` just fits. */
export const fitting = (content: Size, size: Size): number =>
  size.width && size.height
    ? MARGIN * Math.max(content.width / size.width, content.height / size.height)
    : 1;

/** Larger or smaller by `factor`; the place under `anchor` (screen) stays where it is. */
export function zoomed(view: View, size: Size, anchor: Point, factor: number): View {
  const scale = Math.min(WIDEST, Math.max(NARROWEST, view.scale / factor));
  const fixed = toSheet(view, size, anchor);
  return {
    x: fixed.x - (anchor.x - size.width / 2) * scale,
    y: fixed.y - (anchor.y - size.height / 2) * scale,
    scale,
  };
}

export const panned = (view: View, by: Point): View => ({
  ...view,
  x: view.x - by.x * view.scale,
  y: view.y - by.y * view.scale,
});

/** The longest round length that covers at most a quarter of the pane, and how many CSS pixels it takes. */
export function ruler(view: View, size: Size): { length: number; px: number } {
  const most = size.width * 0.25 * view.scale;
  const long = RULERS.find((each) => each <= most) ?? 0.1;
  return { length: long, px: long / view.scale };
}
