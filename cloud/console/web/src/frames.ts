// The film of an examination: every image of its prints, and a place for each print that has none (yet).
import { computed, ref, shallowReactive, watch, type ComputedRef, type Ref } from 'vue';

import type { Examination, WorkImage, WorkItem } from './api/client';
import { leading } from './reading';

export interface Frame {
  /** Names it on the film: the image, or the print without one. */
  key: string;
  item: WorkItem;
  image: WorkImage | undefined;
}

export const framesOf = (items: readonly WorkItem[]): Frame[] =>
  items.flatMap((item): Frame[] =>
    item.images.length
      ? item.images.map((image) => ({ key: image.image_id, item, image }))
      : [{ key: item.capture_id, item, image: undefined }],
  );

interface Choice {
  captureId: string;
  imageId: string | undefined;
}

/** What a person looks at in each examination; forgotten with the page. */
const choices = shallowReactive(new Map<string, Choice>());

const choiceOf = ({ item, image }: Frame): Choice => ({ captureId: item.capture_id, imageId: image?.image_id });

/** The frame that gives the examination its state; without one the newest. */
function first(examination: Examination, frames: readonly Frame[]): Frame | undefined {
  const lead = examination.lead;
  const led = lead && frames.find(({ key }) => key === (lead.image_id ?? lead.capture_id));
  return led ?? frames.at(-1);
}

function chosenAmong(frames: readonly Frame[], choice: Choice): Frame | undefined {
  const same = frames.find(({ key }) => key === (choice.imageId ?? choice.captureId));
  if (same) return same;
  // A print that was on its way has become images.
  const item = frames.find((frame) => frame.item.capture_id === choice.captureId)?.item;
  const image = item && leading(item);
  return image && frames.find(({ key }) => key === image.image_id);
}

/**
 * The frame on the stage. What a person looks at never changes under them: a choice stays, whatever comes; only a
 * print that had no image becomes its image.
 */
export function useFrame(
  examination: Readonly<Ref<Examination | undefined>>,
  frames: ComputedRef<Frame[]>,
): { frame: ComputedRef<Frame | undefined>; place: ComputedRef<number>; choose: (at: number) => void } {
  const id = computed(() => examination.value?.examination_id ?? '');
  const place = ref(-1);
  watch(
    [id, frames],
    () => {
      const now = examination.value;
      const choice = choices.get(id.value);
      const frame = now && ((choice && chosenAmong(frames.value, choice)) ?? first(now, frames.value));
      if (frame) choices.set(id.value, choiceOf(frame));
      place.value = frame ? frames.value.indexOf(frame) : -1;
    },
    { immediate: true },
  );
  const choose = (at: number): void => {
    const frame = frames.value[at];
    if (!frame) return;
    choices.set(id.value, choiceOf(frame));
    place.value = at;
  };
  return { frame: computed(() => frames.value[place.value]), place: computed(() => place.value), choose };
}

/** Chooses before the examination is opened: a print by its address, an image of an earlier examination. */
export const chooseIn = (examinationId: string, captureId: string, imageId?: string): void =>
  void choices.set(examinationId, { captureId, imageId });
