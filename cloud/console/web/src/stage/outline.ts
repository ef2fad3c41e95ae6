// Correcting an outline on the stage, from wherever it is asked for:
//
//   const corrected = await correctOutline(image.image_id, reading.head.ellipse);
//
// The image must be on the stage. Resolves with the ellipse (a >= b, angle in 0..180, still pixels) when the person is
// done, with undefined when they cancel, go to another image or another correction begins.
import { shallowRef } from 'vue';

import type { Ellipse } from '../api/client';
import { upright } from './geometry';

export interface Correction {
  imageId: string;
  from: Ellipse;
  settle: (ellipse: Ellipse | undefined) => void;
}

export const correction = shallowRef<Correction>();

export function correctOutline(imageId: string, from: Ellipse): Promise<Ellipse | undefined> {
  correction.value?.settle(undefined);
  return new Promise((resolve) => {
    const begun: Correction = {
      imageId,
      from: { ...from },
      settle: (ellipse) => {
        if (correction.value === begun) correction.value = undefined;
        resolve(ellipse && upright(ellipse));
      },
    };
    correction.value = begun;
  });
}
