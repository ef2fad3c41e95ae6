// A metric's value with its unit, short enough for a tile.
import type { Unit } from '../../api/client';
import type { Language } from '../../i18n';

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB'];

function scaled(value: number): string {
  let place = 0;
  let left = value;
  while (Math.abs(left) >= 1000 && place < BYTES.length - 1) {
    left /= 1000;
    place += 1;
  }
  return `${left.toFixed(left >= 100 || place === 0 ? 0 : 1)} ${BYTES[place]}`;
}

function duration(seconds: number, language: Language): string {
  const [unit, count] =
    seconds < 120 ? (['second', seconds] as const)
    : seconds < 7200 ? (['minute', seconds / 60] as const)
    : seconds < 172_800 ? (['hour', seconds / 3600] as const)
    : (['day', seconds / 86_400] as const);
  const form = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: seconds < 10 ? 1 : 0 } as const;
  return new Intl.NumberFormat(language, form).format(count);
}

export function amount(value: number, unit: Unit, language: Language): string {
  switch (unit) {
    case 'percent':
      return `${value.toFixed(value && value < 10 ? 1 : 0)}%`;
    case 'bytes':
      return scaled(value);
    case 'bytes_per_s':
      return `${scaled(value)}/s`;
    case 'seconds':
      return duration(value, language);
    case 'milliseconds':
      return value >= 10_000 ? duration(value / 1000, language) : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
    default:
      return new Intl.NumberFormat(language).format(value);
  }
}
