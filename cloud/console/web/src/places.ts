// Where the rail leads, from top to bottom.
import type { Action } from './api/client';

export type Place = {
  /** Address, and every address under it. */
  to: string;
  /** Name of the icon. */
  icon: string;
  /** Key of the word under it. */
  title: string;
  /** Shown where the role allows one of these. */
  actions: Action[];
};

export const PLACES: Place[] = [
  { to: '/live', icon: 'live', title: 'nav.live', actions: ['see_images'] },
  { to: '/studies', icon: 'studies', title: 'studies.title', actions: ['see_images'] },
  { to: '/viewer', icon: 'viewer', title: 'viewer.nav', actions: ['see_images'] },
  { to: '/ledger', icon: 'ledger', title: 'ledger.title', actions: ['see_system'] },
  { to: '/system', icon: 'system', title: 'nav.system', actions: ['see_system'] },
  {
    to: '/admin',
    icon: 'admin',
    title: 'nav.admin',
    actions: ['manage_users', 'manage_tokens', 'manage_models', 'manage_devices', 'read_audit'],
  },
];
