// A pane as a picture file: what is seen, with the mark that it is for research, the scale and the letters in it.
import { measureText, type Mark } from './measures';
import type { Picture } from './picture';
import { ruler, toScreen, type Point, type Size, type View } from './sheet';
import type { Edges } from './vectors';

type Scene = {
  shaded: HTMLCanvasElement;
  picture: Picture | undefined;
  view: View;
  size: Size;
  marks: Mark[];
  scaleUnit: 'mm' | 'px';
  edges: Edges | undefined;
  lines: string[];
  notice: string;
};

const RATIO = 2;
const FONT = "13px 'Inter Variable', 'Noto Sans SC', 'Noto Sans CJK SC', sans-serif";
const GROUND = '#000';
const INK = '#fff';
const MARK = '#ffe27a';

type Surface = CanvasRenderingContext2D;

/** Letters that are to be read on any ground. */
function say(on: Surface, text: string, x: number, y: number, align: CanvasTextAlign, ink = INK): void {
  on.textAlign = align;
  on.lineWidth = 3;
  on.strokeStyle = GROUND;
  on.strokeText(text, x, y);
  on.fillStyle = ink;
  on.fillText(text, x, y);
}

function drawPicture(on: Surface, { shaded, picture, view, size }: Scene): void {
  if (!picture) return;
  const { x, y, width, height, stepX, stepY } = picture;
  const corner = toScreen(view, size, { x: x - (width * stepX) / 2, y: y - (height * stepY) / 2 });
  on.imageSmoothingQuality = 'high';
  on.drawImage(shaded, corner.x, corner.y, (width * stepX) / view.scale, (height * stepY) / view.scale);
}

function drawMark(on: Surface, { kind, points }: Mark, screen: (at: Point) => Point, unit: 'mm' | 'px'): void {
  const [first, ...rest] = points.map(screen);
  if (!first) return;
  on.beginPath();
  if (kind === 'ellipse') {
    const end = rest[0] ?? first;
    const [w, h] = [Math.abs(end.x - first.x) / 2, Math.abs(end.y - first.y) / 2];
    on.ellipse((first.x + end.x) / 2, (first.y + end.y) / 2, w, h, 0, 0, 2 * Math.PI);
  } else {
    on.moveTo(first.x, first.y);
    for (const { x, y } of rest) on.lineTo(x, y);
    if (kind === 'polygon') on.closePath();
  }
  on.lineWidth = 1.5;
  on.strokeStyle = MARK;
  on.stroke();
  const right = rest.reduce((most, point) => (point.x > most.x ? point : most), first);
  say(on, measureText(kind, points, unit), right.x + 8, right.y, 'left', MARK);
}

function drawWords(on: Surface, { view, size, scaleUnit, edges, lines, notice }: Scene): void {
  const { width, height } = size;
  lines.forEach((line, index) => say(on, line, 10, 16 + 18 * index, 'left'));
  if (edges) {
    say(on, edges.left, 10, height / 2, 'left');
    say(on, edges.right, width - 10, height / 2, 'right');
    say(on, edges.top, width / 2, 16, 'center');
    say(on, edges.bottom, width / 2, height - 52, 'center');
  }
  const bar = ruler(view, size);
  const left = (width - bar.px) / 2;
  on.beginPath();
  on.moveTo(left, height - 40);
  on.lineTo(left, height - 34);
  on.lineTo(left + bar.px, height - 34);
  on.lineTo(left + bar.px, height - 40);
  on.lineWidth = 1.5;
  on.strokeStyle = INK;
  on.stroke();
  say(on, `${bar.length} ${scaleUnit}`, left + bar.px + 8, height - 36, 'left');
  say(on, notice, width / 2, height - 12, 'center');
}

/** PNG, two pixels to a CSS pixel. */
export function savedPicture(scene: Scene): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(scene.size.width * RATIO);
  canvas.height = Math.round(scene.size.height * RATIO);
  const on = canvas.getContext('2d');
  if (!on) return Promise.reject(new Error('no canvas'));
  on.scale(RATIO, RATIO);
  on.fillStyle = GROUND;
  on.fillRect(0, 0, scene.size.width, scene.size.height);
  drawPicture(on, scene);
  on.font = FONT;
  on.textBaseline = 'middle';
  for (const mark of scene.marks)
    drawMark(on, mark, (at) => toScreen(scene.view, scene.size, at), scene.scaleUnit);
  drawWords(on, scene);
  return new Promise((kept, failed) =>
    canvas.toBlob((blob) => (blob ? kept(blob) : failed(new Error('no picture'))), 'image/png'),
  );
}

/** Hands a file to the browser's own saving. */
export function handOut(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken hold of it once the click has been handled.
  setTimeout(() => URL.revokeObjectURL(link.href));
}
