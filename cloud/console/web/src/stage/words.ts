// What is drawn, in words.
import type { Figure } from './geometry';
import type { Drawn } from './sheets';

type Translate = (key: string, values: Record<string, unknown>) => string;

export const shapeName = (t: Translate, one: Drawn): string => t(`own.kind.${one.shape.kind}`, { n: one.id });

export function figureText(t: Translate, { name, value, unit }: Figure): string {
  const number = value.toFixed(1);
  if (unit === '°') return `${number}°`;
  return name === 'length' ? `${number} ${unit}` : `${t(`own.figure.${name}`, {})} ${number} ${unit}`;
}
