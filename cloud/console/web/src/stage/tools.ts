// The tools of the reading stage: what a drag does, its key, its icon.
import type { Kind } from './geometry';

export type ViewTool = 'window' | 'zoom' | 'pan';
export type Tool = ViewTool | Kind;

export const TOOLS: readonly { tool: Tool; key: string; icon: string }[] = [
  { tool: 'window', key: 'w', icon: 'window' },
  { tool: 'zoom', key: 'z', icon: 'zoom' },
  { tool: 'pan', key: 'p', icon: 'pan' },
  { tool: 'length', key: 'm', icon: 'length' },
  { tool: 'ellipse', key: 'e', icon: 'outline' },
  { tool: 'angle', key: 'g', icon: 'angle' },
];

export const isMeasuring = (tool: Tool | undefined): tool is Kind =>
  tool === 'length' || tool === 'ellipse' || tool === 'angle';
