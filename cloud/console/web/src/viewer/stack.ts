// Going through a series: image by image, or frame by frame through one loop of it.
import { computed, ref, watch, type Ref } from 'vue';

import type { SeriesFacts } from '../api/client';
import { rateOf, useCine } from './cine';
import { makeFrames } from './frames';
import { useNewest } from './newest';
import { byFrames, fetchFrame, fetchTags, regionSpacing, type Spot } from './series';
import type { Point } from './sheet';

const AHEAD = 4;

export function useStack(facts: () => SeriesFacts, spot: Ref<Spot>) {
  const frames = makeFrames((at, signal) => fetchFrame(facts(), at, signal));
  watch(() => facts().version, frames.clear);
  const { got, problem, why, outdated } = useNewest(
    () => ({ fine: true, spot: spot.value, version: facts().version }),
    ({ spot: { image, frame }, version }) => `${image} ${frame} ${version}`,
    (wish, signal) => frames.get(wish.spot, signal),
  );

  const frame = computed(() => got.value?.data);
  const loops = computed(() => byFrames(facts()));
  // Loops of one series differ in length: the shown one says how long it is.
  const length = computed(() =>
    got.value?.wish.spot.image === spot.value.image ? got.value.data.count : facts().frames.count,
  );
  const count = computed(() => (loops.value ? length.value : facts().image_count));

  const spotAt = (index: number): Spot =>
    loops.value ? { image: spot.value.image, frame: index } : { image: index, frame: 0 };
  const index = computed({
    get: () => (loops.value ? spot.value.frame : spot.value.image),
    set: (next: number) => (spot.value = spotAt(Math.min(count.value - 1, Math.max(0, next)))),
  });
  const following = computed(() => spotAt((index.value + 1) % count.value));

  // What is likely to be looked at next comes while this one is looked at.
  let towards = 1;
  watch(index, (now, before) => (towards = now > before || now === 0 ? 1 : -1));
  watch(got, () => {
    for (let by = 1; by <= Math.min(AHEAD, count.value - 1); by += 1)
      frames.ahead(spotAt((index.value + by * towards + count.value) % count.value));
  });

  const rate = ref(rateOf(facts().frames.frame_time_ms));
  const isShown = (): boolean =>
    got.value?.wish.spot.image === spot.value.image && got.value.wish.spot.frame === spot.value.frame;
  const cine = useCine(
    rate,
    () => isShown() && frames.has(following.value),
    () => (spot.value = following.value),
  );

  // The scale of ultrasound stands in a sequence of the header.
  const region = ref<Point>();
  watch(
    () => spot.value.image,
    async (image) => {
      region.value = undefined;
      if (facts().modality !== 'US') return;
      const tags = await fetchTags(facts(), image);
      if (tags.ok && image === spot.value.image) region.value = regionSpacing(tags.data);
    },
    { immediate: true },
  );
  const spacing = computed(() => frame.value?.spacing ?? region.value);

  return { frame, got, problem, why, outdated, loops, count, index, rate, cine, spacing };
}
