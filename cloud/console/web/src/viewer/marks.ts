// Measurements of a series: kept as places of the patient with the plane they were made in, or as points of one image.
import { ref, shallowRef } from 'vue';

import type { Kind, Mark } from './measures';
import type { Planes } from './planes';
import type { Spot } from './series';
import type { Point } from './sheet';
import { dot, minus, normalOf, plus, times, type Directions, type PaneName, type Vector } from './vectors';

/** In a plane of the volume. */
export type PlaneMark = { id: number; kind: Kind; places: Vector[]; plane: Directions; pane: PaneName };
/** On one frame of one image. */
export type ImageMark = { id: number; kind: Kind; points: Point[]; spot: Spot };

const SAME_DIRECTION = 0.99999;
const SAME_PLANE_MM = 0.5;

const middleOf = (places: readonly Vector[]): Vector =>
  times(places.reduce<Vector>((sum, place) => plus(sum, place), [0, 0, 0]), 1 / places.length);

export function useMarks() {
  const all = shallowRef<PlaneMark[]>([]);
  const images = shallowRef<ImageMark[]>([]);
  const next = ref(1);

  const number = (): number => (next.value += 1);
  const add = (mark: Omit<PlaneMark, 'id'>) => (all.value = [...all.value, { ...mark, id: number() }]);
  const addTo = (mark: Omit<ImageMark, 'id'>) => (images.value = [...images.value, { ...mark, id: number() }]);

  function remove(id: number): void {
    all.value = all.value.filter((mark) => mark.id !== id);
    images.value = images.value.filter((mark) => mark.id !== id);
  }

  /** Those that lie in the plane that a pane shows now, or within its slab. An ellipse is told by the box around it:
   * it is not shown where the picture was turned in itself. */
  function on({ planes, place, toSheet }: Planes, name: PaneName, slab: number): Mark[] {
    const { u } = planes[name];
    const normal = normalOf(planes[name]);
    const near = Math.max(SAME_PLANE_MM, slab / 2);
    return all.value
      .filter((mark) => Math.abs(dot(normalOf(mark.plane), normal)) > SAME_DIRECTION)
      .filter((mark) => mark.kind !== 'ellipse' || Math.abs(dot(mark.plane.u, u)) > SAME_DIRECTION)
      .filter((mark) => Math.abs(dot(minus(middleOf(mark.places), place.value), normal)) <= near)
      .map(({ id, kind, places }) => ({ id, kind, points: places.map((each) => toSheet(name, each)) }));
  }

  const onImage = ({ image, frame }: Spot): Mark[] =>
    images.value.filter(({ spot }) => spot.image === image && spot.frame === frame);

  /** Brings the plane of a mark back into the pane it was made in. */
  function show({ planes, direct, moveTo }: Planes, mark: PlaneMark): void {
    if (Math.abs(dot(normalOf(planes[mark.pane]), normalOf(mark.plane))) <= SAME_DIRECTION)
      direct(mark.pane, mark.plane);
    moveTo(middleOf(mark.places));
  }

  return { all, images, add, addTo, remove, on, onImage, show };
}

export type Marks = ReturnType<typeof useMarks>;
