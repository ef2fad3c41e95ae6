// What a drag in a pane does: one tool at a time; the middle button pans and the right one zooms whatever it is.
import type { Kind } from './measures';

export type Tool = 'cross' | 'turn' | 'scroll' | 'window' | 'zoom' | 'pan' | Kind;

type Entry = { tool: Tool; key: string; icon: string };

const SHARED: Entry[] = [
  { tool: 'scroll', key: 's', icon: 'scroll' },
  { tool: 'window', key: 'w', icon: 'contrast' },
  { tool: 'zoom', key: 'z', icon: 'zoom' },
  { tool: 'pan', key: 'p', icon: 'pan' },
];
const MEASURING: Entry[] = [
  { tool: 'length', key: 'm', icon: 'ventricle' },
  { tool: 'angle', key: 'n', icon: 'angle' },
  { tool: 'ellipse', key: 'e', icon: 'outline' },
  { tool: 'polygon', key: 'g', icon: 'polygon' },
];
const PLANES: Entry[] = [
  { tool: 'cross', key: 'c', icon: 'cross' },
  { tool: 'turn', key: 'o', icon: 'turn' },
];

export type Mode = 'mpr' | 'stack';
/** In groups, as they stand on the page. */
export const TOOLS: Record<Mode, Entry[][]> = {
  mpr: [PLANES, SHARED, MEASURING],
  stack: [SHARED, MEASURING],
};

/** The page's help: keys, and the message that says what they do. */
export const VIEWER_KEYS = [
  ['C  O', 'viewer.key.planes'],
  ['S  W  Z  P', 'viewer.key.drags'],
  ['M  N  E  G', 'viewer.key.measures'],
  ['← ↑ ↓ →', 'viewer.key.arrows'],
  ['Shift', 'viewer.key.shift'],
  ['PgUp PgDn', 'viewer.key.scroll'],
  ['Home End', 'viewer.key.ends'],
  [', .', 'viewer.key.spin'],
  ['+ −', 'viewer.key.zoom'],
  ['Enter', 'viewer.key.enter'],
  ['Esc  Del', 'viewer.key.remove'],
  ['1 – 4', 'viewer.key.panes'],
  ['X', 'viewer.key.large'],
  ['V  I', 'viewer.key.window'],
  ['Space', 'viewer.key.play'],
  ['R', 'viewer.key.reset'],
  ['T', 'viewer.key.tags'],
  ['B', 'viewer.key.side'],
  ['L', 'help.lock'],
  ['?', 'help.help'],
] as const;
