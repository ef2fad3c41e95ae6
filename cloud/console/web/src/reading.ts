// What stands for what: the image for its capture, the one scored probability for a reading.
import type { Reading, Status, WorkImage, WorkItem } from './api/client';
import { NORMAL } from './words';

/** The image whose status is the capture's own; the first one otherwise. */
export function leading(item: WorkItem): WorkImage | undefined {
  return item.images.find((image) => image.status === item.status) ?? item.images[0];
}

/** Probability that the brain is not normal: the only score of a finding. Undefined where no brain was classified. */
export function notNormal(reading: Reading): number | undefined {
  const normal = reading.finding_probabilities?.[NORMAL];
  return normal === undefined ? undefined : 1 - normal;
}

/** What the reading alone amounts to, before any review. */
export function readStatus({ abstained, finding }: Reading): Status {
  if (abstained || finding === null) return 'review';
  return finding === NORMAL ? 'normal' : 'abnormal';
}
