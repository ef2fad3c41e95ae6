// Pointer, pinch and wheel in one pane. Positions come in as CSS pixels from the pane's upper left corner.
import type { Ref } from 'vue';

import type { Window } from './shade';
import { apart, panned, toSheet, zoomed, type Point, type Size, type View } from './sheet';
import { isKind } from './measures';
import type { Tool } from './tools';

type Hooks = {
  element: () => HTMLElement | undefined;
  size: Ref<Size>;
  view: Ref<View>;
  window: Ref<Window>;
  tool: () => Tool;
  /** What a drag across the whole pane changes a window by. */
  span: () => number;
  /** A drag begins or ends. */
  held: (is: boolean) => void;
  place: (at: Point) => void;
  turn: (from: Point, to: Point, alone: boolean) => void;
  scroll: (steps: number) => void;
  measure: { press: (at: Point) => void; drag: (at: Point) => void; lift: () => void; drop: () => void };
};

type Drag = { tool: Tool; last: Point; carried: number; alone: boolean };

const BUTTONS: Record<number, Tool> = { 1: 'pan', 2: 'zoom' };
const ZOOM_PER_PX = 0.006;
const SCROLL_PX = 8;
const NOTCH_PX = 60;
const LINE_PX = 20;

export function useGestures(hooks: Hooks) {
  const pointers = new Map<number, Point>();
  let drag: Drag | undefined;
  let turnedPx = 0;

  const at = (event: MouseEvent): Point => {
    const element = hooks.element();
    if (!element) return { x: 0, y: 0 };
    // The picture begins below the pane's edge.
    const { left, top } = element.getBoundingClientRect();
    return { x: event.clientX - left - element.clientLeft, y: event.clientY - top - element.clientTop };
  };
  const onSheet = (point: Point): Point => toSheet(hooks.view.value, hooks.size.value, point);
  const zoom = (anchor: Point, factor: number) =>
    (hooks.view.value = zoomed(hooks.view.value, hooks.size.value, anchor, factor));

  const moves: Partial<Record<Tool, (drag: Drag, to: Point, by: Point) => void>> = {
    cross: (_, to) => hooks.place(onSheet(to)),
    turn: ({ last, alone }, to) => hooks.turn(onSheet(last), onSheet(to), alone),
    pan: (_, __, by) => (hooks.view.value = panned(hooks.view.value, by)),
    zoom: (_, __, by) =>
      zoom({ x: hooks.size.value.width / 2, y: hooks.size.value.height / 2 }, Math.exp(-by.y * ZOOM_PER_PX)),
    window: (_, __, by) => {
      const { center, width } = hooks.window.value;
      const perPx = hooks.span() / Math.max(300, hooks.size.value.width);
      hooks.window.value = { center: center + by.y * perPx, width: Math.max(1, width + by.x * perPx) };
    },
    scroll: (current, _, by) => {
      current.carried += by.y / SCROLL_PX;
      const steps = Math.trunc(current.carried);
      current.carried -= steps;
      if (steps) hooks.scroll(steps);
    },
  };

  function down(event: PointerEvent): void {
    const point = at(event);
    hooks.element()?.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, point);
    if (pointers.size > 1) {
      if (drag && isKind(drag.tool)) hooks.measure.drop();
      drag = undefined;
      return;
    }
    const tool = BUTTONS[event.button] ?? hooks.tool();
    drag = { tool, last: point, carried: 0, alone: event.shiftKey };
    hooks.held(true);
    if (isKind(tool)) hooks.measure.press(onSheet(point));
    // A finger may be the first of two: it places where it moves or is lifted.
    else if (tool === 'cross' && event.pointerType !== 'touch') hooks.place(onSheet(point));
  }

  /** Two fingers: the sheet stays under both. */
  function pinch(id: number, to: Point): void {
    const other = [...pointers].find(([each]) => each !== id)?.[1];
    const from = pointers.get(id);
    if (!other || !from) return;
    const middle = { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 };
    const factor = apart(to, other) / Math.max(1, apart(from, other));
    // In one step: what is set is only to be read again after the page was drawn.
    const larger = zoomed(hooks.view.value, hooks.size.value, middle, factor);
    hooks.view.value = panned(larger, { x: (to.x - from.x) / 2, y: (to.y - from.y) / 2 });
  }

  function move(event: PointerEvent): void {
    const to = at(event);
    if (pointers.size > 1 && pointers.has(event.pointerId)) pinch(event.pointerId, to);
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, to);
    if (!drag) {
      // A measurement that is set point by point follows the pointer between two presses.
      if (!pointers.size && isKind(hooks.tool())) hooks.measure.drag(onSheet(to));
      return;
    }
    if (isKind(drag.tool)) hooks.measure.drag(onSheet(to));
    else moves[drag.tool]?.(drag, to, { x: to.x - drag.last.x, y: to.y - drag.last.y });
    drag.last = to;
  }

  function up(event: PointerEvent): void {
    pointers.delete(event.pointerId);
    if (pointers.size) return;
    if (drag && isKind(drag.tool)) {
      if (event.type === 'pointerup') hooks.measure.lift();
      else hooks.measure.drop();
    }
    if (drag?.tool === 'cross' && event.type === 'pointerup') hooks.place(onSheet(at(event)));
    drag = undefined;
    hooks.held(false);
  }

  function wheel(event: WheelEvent): void {
    const px = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * LINE_PX;
    // A pinch on a touch pad comes as a wheel with Ctrl.
    if (event.ctrlKey) {
      zoom(at(event), Math.exp(-px * ZOOM_PER_PX));
      return;
    }
    // One notch of a mouse wheel is one step, however many pixels the browser makes of it.
    turnedPx = Math.sign(px) === Math.sign(turnedPx) ? turnedPx + px : px;
    const steps = Math.abs(px) >= NOTCH_PX ? Math.sign(px) : Math.trunc(turnedPx / NOTCH_PX);
    if (!steps) return;
    turnedPx = 0;
    hooks.scroll(steps);
  }

  return { at, down, move, up, wheel, zoom, onSheet };
}
