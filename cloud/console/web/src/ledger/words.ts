// Entries in words; a kind that the page does not know yet is shown as it is.
import type { LedgerEntry } from '../api/client';
import en from '../i18n/en';
import { planeName } from '../words';

type Translate = (key: string, named?: Record<string, unknown>, count?: number) => string;

const brief = (id: string | undefined): string | undefined => id?.slice(0, 8);

export const entryKind = (t: Translate, entry: LedgerEntry): string =>
  entry.kind in en.ledger.kinds ? t(`ledger.kinds.${entry.kind}`) : entry.kind;

const ABOUT: Record<string, (t: Translate, fields: Record<string, string | undefined>) => string> = {
  block: (t, { type, images: n, capture }) =>
    t('ledger.abouts.block', { type: planeName(t, type ?? ''), n, capture: brief(capture) }, Number(n)),
  result: (t, { image, reason }) =>
    t(reason && reason !== '-' ? 'ledger.abouts.unread' : 'ledger.abouts.result', { image: brief(image) }),
  review: (t, { image, decision }) =>
    t(decision === 'agree' ? 'ledger.abouts.review.agree' : 'ledger.abouts.review.disagree', { image: brief(image) }),
  'examination-signed': (t, { examination, reviewed, images }) =>
    t('ledger.abouts.signed', { examination: brief(examination), reviewed, images }),
  'examination-deleted': (t, { examination }) => t('ledger.abouts.examination', { examination: brief(examination) }),
  'examination-restored': (t, { examination }) => t('ledger.abouts.examination', { examination: brief(examination) }),
  upload: (t, { files: n, series }) => t('ledger.abouts.upload', { n, series }, Number(n)),
  model: (t, { action, model, version }) =>
    t('ledger.abouts.model', { model, version, action: action && action in en.modelAct ? t(`modelAct.${action}`) : action }),
  audit: (t, { rows }) => t('ledger.abouts.audit', { rows }),
};

/** What it is about, in a few words; its first value where its kind is not known. */
export const entryAbout = (t: Translate, entry: LedgerEntry): string =>
  ABOUT[entry.kind]?.(t, entry.fields) ?? Object.values(entry.fields)[0] ?? '–';
