// Dates of the administration, in the person's own time and language.
import type { Language } from './i18n';

const forms = new Map<string, Intl.DateTimeFormat>();

/** Date and time to the minute, or to the second; a dash where there is none. */
export function dateTime(iso: string | null, language: Language, seconds = false): string {
  if (iso === null) return '–';
  const key = `${language} ${seconds}`;
  let form = forms.get(key);
  if (!form) {
    const locale = language === 'zh' ? 'zh-CN' : 'en-GB';
    form = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: seconds ? 'medium' : 'short' });
    forms.set(key, form);
  }
  return form.format(new Date(iso));
}
