// Gestational ages that a person gives, by image: kept while the page is open, never sent to be stored.
import { shallowReactive } from 'vue';

import { api, type Assessed } from './api/client';

const said = shallowReactive(new Map<string, Assessed>());
// The newest question of each image: an answer that comes after a later question is not shown.
const asked = new Map<string, symbol>();

/** No pregnancy lasts longer; the server refuses more. */
export const AGE_MAX_DAYS = 315;
/** Weeks that the standards of the head's sizes cover. */
export const STANDARD_WEEKS = { first: 14, last: 40 } as const;

/** What the image's lengths say at the age given here; undefined where none is. */
export const givenHere = (imageId: string): Assessed | undefined => said.get(imageId);

export function forget(imageId: string): void {
  asked.delete(imageId);
  said.delete(imageId);
}

/** Asks the server what the stored lengths say at this age; false where it gave no answer. */
export async function giveAge(imageId: string, days: number): Promise<boolean> {
  const question = Symbol(imageId);
  asked.set(imageId, question);
  try {
    const params = { path: { image_id: imageId }, query: { gestational_age_days: days } };
    const { data } = await api.GET('/api/images/{image_id}/assessment', { params });
    if (data && asked.get(imageId) === question) said.set(imageId, data);
    return data !== undefined;
  } catch {
    return false;
  }
}
