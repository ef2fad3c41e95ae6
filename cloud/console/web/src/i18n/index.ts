import { createI18n } from 'vue-i18n';

import en from './en';
import zh from './zh';

export type Language = 'en' | 'zh';
const STORED = 'sonorelay.language';

function first(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === 'en' || stored === 'zh') return stored;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

function name(language: Language): void {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

const start = first();
name(start);
export const i18n = createI18n({ legacy: false, locale: start, fallbackLocale: 'en', messages: { en, zh } });

export function setLanguage(language: Language): void {
  i18n.global.locale.value = language;
  localStorage.setItem(STORED, language);
  name(language);
}
