// Where on each still lengths are millimetres: asked for once, when a person begins to measure.
import { shallowReactive } from 'vue';

import { api, type ScaleRegion as Region } from '../api/client';

const known = shallowReactive(new Map<string, readonly Region[]>());
const failed = shallowReactive(new Set<string>());

/** The image's regions; undefined while they are not known. */
export const regionsOf = (imageId: string): readonly Region[] | undefined => known.get(imageId);
/** Whether the server gave no answer at the last try. */
export const scaleFailed = (imageId: string): boolean => failed.has(imageId);

export async function fetchRegions(imageId: string): Promise<void> {
  if (known.has(imageId)) return;
  failed.delete(imageId);
  try {
    const { data } = await api.GET('/api/images/{image_id}/scale', { params: { path: { image_id: imageId } } });
    if (data) known.set(imageId, data.regions);
    else failed.add(imageId);
  } catch {
    failed.add(imageId);
  }
}
