// Numbers as the page writes them. Units are set by the caller's words where they are words.

export function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

export function bytes(count: number): string {
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} MB`;
  return count >= 1e3 ? `${(count / 1e3).toFixed(0)} kB` : `${count} B`;
}

/** A figure with one sigma behind it, where that is known. */
export const withSd = (value: number, sd: number | null | undefined, digits = 1): string =>
  sd === null || sd === undefined ? value.toFixed(digits) : `${value.toFixed(digits)} ± ${sd.toFixed(digits)}`;

/** A centile; one so far out that its decimals say nothing is named by its bound. */
export function centileText(centile: number): string {
  if (centile > 99.9) return '> 99.9';
  return centile < 0.1 ? '< 0.1' : centile.toFixed(1);
}

export const percent = (share: number, digits = 1): string => `${(share * 100).toFixed(digits)}%`;

/** A probability in percent; rounding never makes a certainty of it. */
export function probability(share: number, digits = 1): string {
  const least = 10 ** -digits;
  if (share * 100 > 100 - least) return `> ${(100 - least).toFixed(digits)}%`;
  return share * 100 < least ? `< ${least.toFixed(digits)}%` : percent(share, digits);
}

const AGE_UNITS = [
  { unit: 'day', seconds: 86_400 },
  { unit: 'hour', seconds: 3600 },
  { unit: 'minute', seconds: 60 },
  { unit: 'second', seconds: 1 },
] as const;

/** How long ago, in the largest whole unit. */
export function age(fromIso: string, nowMs: number, locale: string): string {
  const passed = Math.max(0, (nowMs - Date.parse(fromIso)) / 1000);
  const { unit, seconds } = AGE_UNITS.find((each) => passed >= each.seconds) ?? AGE_UNITS[3];
  const form = { style: 'unit', unit, unitDisplay: locale === 'zh' ? 'short' : 'narrow' } as const;
  return new Intl.NumberFormat(locale, form).format(Math.floor(passed / seconds));
}

export function clockTime(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'medium',
  }).format(new Date(iso));
}
