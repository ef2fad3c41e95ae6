// Reason codes in words. The server owns the sentences; they are fetched once, in both languages.
import { shallowRef } from 'vue';

import { api, type Reasons, type Sentence } from './api/client';

const RETRY_MS = 2000;
const reasons = shallowRef<Reasons>();
let loading = false;

export async function loadReasons(): Promise<void> {
  if (reasons.value || loading) return;
  loading = true;
  try {
    const { data } = await api.GET('/api/reasons');
    reasons.value = data;
  } catch {
    // The server is away; the code itself is shown until it is back.
    setTimeout(() => void loadReasons(), RETRY_MS);
  } finally {
    loading = false;
  }
}

/** The sentence for an edge, abstention, no-width, best-frame or remark code; undefined while it is not known. */
export function sentenceOf(code: string): Sentence | undefined {
  const known = reasons.value;
  return (
    known?.edge[code]?.text ??
    known?.abstain[code] ??
    known?.no_width[code] ??
    known?.best_frame[code] ??
    known?.remark[code]
  );
}
