// Pointer and wheel on a still: window, zoom, pan. Only the view's numbers change; the still alone follows them.
import { onMounted, onUnmounted, ref, type Ref } from 'vue';

import type { Point } from './geometry';
import type { Tool, ViewTool } from './tools';
import { fit, pan, setWindow, zoomAbout, type Frame, type View } from './views';

const WHEEL_STEP = 1.0015;
// Some browsers count a wheel in lines.
const LINE_PX = 33;
const DRAG_STEP = 1.008;

const OWN_SPACE = 'button, input, select, a, [role="slider"]';

type Dragged = (now: PointerEvent) => void;

/** Where an event is on the still, in still pixels. */
export function onStill(svg: SVGSVGElement, at: { clientX: number; clientY: number }): Point {
  const matrix = svg.getScreenCTM();
  if (!matrix) return { x: 0, y: 0 };
  const { x, y } = new DOMPoint(at.clientX, at.clientY).matrixTransform(matrix.inverse());
  return { x, y };
}

/** Follows a pointer from its press to its release, wherever it goes. */
export function follow(event: PointerEvent, move: Dragged, end: () => void = () => undefined): void {
  const element = event.currentTarget as Element;
  const controller = new AbortController();
  const { signal } = controller;
  const mine = (then: Dragged) => (now: Event) => {
    if (now instanceof PointerEvent && now.pointerId === event.pointerId) then(now);
  };
  const stop = mine(() => {
    controller.abort();
    end();
  });
  element.setPointerCapture(event.pointerId);
  element.addEventListener('pointermove', mine(move), { signal });
  for (const kind of ['pointerup', 'pointercancel']) element.addEventListener(kind, stop, { signal });
}

/** Whether the space bar is held: then every drag pans. */
export const spaceHeld = ref(false);

/** Follows the space bar, unless it has its own meaning where the focus is. */
export function useSpace(): void {
  const down = (event: KeyboardEvent) => {
    if (event.key !== ' ' || (event.target instanceof Element && event.target.matches(OWN_SPACE))) return;
    event.preventDefault();
    spaceHeld.value = true;
  };
  const up = () => (spaceHeld.value = false);
  onMounted(() => {
    window.addEventListener('keydown', down);
    window.addEventListener('keyup', up);
    window.addEventListener('blur', up);
  });
  onUnmounted(() => {
    up();
    window.removeEventListener('keydown', down);
    window.removeEventListener('keyup', up);
    window.removeEventListener('blur', up);
  });
}

export function useView(svg: Ref<SVGSVGElement | undefined>, view: () => View, whole: () => Frame, tool: () => Tool | undefined) {
  const drags: Record<ViewTool, (event: PointerEvent) => Dragged> = {
    window: (event) => {
      const { width, level } = { ...view() };
      return (now) => setWindow(view(), width + now.clientX - event.clientX, level - event.clientY + now.clientY);
    },
    zoom: (event) => {
      const point = svg.value && onStill(svg.value, event);
      let last = event.clientY;
      return (now) => {
        if (point) zoomAbout(view(), whole(), point, DRAG_STEP ** (last - now.clientY));
        last = now.clientY;
      };
    },
    pan: (event) => {
      const step = svg.value?.getScreenCTM()?.a ?? 1;
      let last = event;
      return (now) => {
        pan(view(), whole(), (now.clientX - last.clientX) / step, (now.clientY - last.clientY) / step);
        last = now;
      };
    },
  };

  function meant(event: PointerEvent): ViewTool | undefined {
    if (event.button === 2) return 'window';
    if (event.button === 1 || spaceHeld.value) return 'pan';
    const chosen = tool();
    return chosen === 'window' || chosen === 'zoom' || chosen === 'pan' ? chosen : undefined;
  }

  return {
    press(event: PointerEvent): void {
      const act = meant(event);
      if (!act) return;
      // The middle button would begin to scroll.
      event.preventDefault();
      follow(event, drags[act](event));
    },
    wheel(event: WheelEvent): void {
      event.preventDefault();
      const turned = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1);
      if (svg.value) zoomAbout(view(), whole(), onStill(svg.value, event), WHEEL_STEP ** -turned);
    },
    fit: () => fit(view()),
  };
}
