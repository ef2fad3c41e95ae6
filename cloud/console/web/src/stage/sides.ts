// One side of the stage: what lies over its still.
import { reactive } from 'vue';

import type { Overlays } from '../components/Still.vue';

export interface Side {
  show: Overlays;
  /** Strength of the heat map, percent. */
  opacity: number;
  /** The bare image, while it is held. */
  bare: boolean;
}

export const newSide = (): Side =>
  reactive({
    show: { outline: true, heat: false, crop: false, ventricle: true, midline: false },
    opacity: 60,
    bare: false,
  });
