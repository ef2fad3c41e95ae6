// A sign beside each colour, as on the PDF.
import type { Tone } from '../../api/client';

export const SIGNS: Record<Tone, string> = { plain: '', normal: '✓', review: '?', abnormal: '!', person: '•' };
