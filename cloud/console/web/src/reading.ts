// Which image of a capture speaks for it.
import type { WorkImage, WorkItem } from './api/client';

/** The image whose status is the capture's own; the first one otherwise. */
export function leading(item: WorkItem): WorkImage | undefined {
  return item.images.find((image) => image.status === item.status) ?? item.images[0];
}
