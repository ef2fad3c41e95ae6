import { createRouter, createWebHistory, type RouteLocationRaw } from 'vue-router';

import type { Action } from './api/client';
import Account from './pages/Account.vue';
import Admin from './pages/Admin.vue';
import Live from './pages/Live.vue';
import Login from './pages/Login.vue';
import Welcome from './pages/Welcome.vue';
import { known, may, session } from './session';
import { VIEWER_KEYS } from './viewer/tools';

declare module 'vue-router' {
  interface RouteMeta {
    /** Key of the name in the window's title. */
    title: string;
    /** Shown to anybody. */
    open?: boolean;
    /** What the role must allow. */
    action?: Action;
    /** The page's own keys, each with the message that says what it does. */
    keys?: readonly (readonly [string, string])[];
  }
}

const images: Action = 'see_images';
export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', redirect: '/live' },
    { path: '/live/:exam?', name: 'live', component: Live, meta: { title: 'nav.live', action: images } },
    {
      path: '/viewer',
      name: 'viewer',
      component: () => import('./pages/viewer/SeriesList.vue'),
      meta: { title: 'viewer.title', action: images },
    },
    {
      path: '/viewer/:series',
      name: 'viewer-series',
      component: () => import('./pages/viewer/OneSeries.vue'),
      meta: { title: 'viewer.title', action: images, keys: VIEWER_KEYS },
    },
    {
      path: '/report/:exam',
      name: 'report',
      component: () => import('./pages/Report.vue'),
      meta: { title: 'report.title', action: images },
    },
    {
      path: '/studies',
      name: 'studies',
      component: () => import('./pages/studies/StudyList.vue'),
      meta: { title: 'studies.title', action: images },
    },
    {
      path: '/studies/:study',
      name: 'study',
      component: () => import('./pages/studies/OneStudy.vue'),
      meta: { title: 'studies.title', action: images },
    },
    { path: '/login', name: 'login', component: Login, meta: { title: 'login.title', open: true } },
    { path: '/welcome', name: 'welcome', component: Welcome, meta: { title: 'welcome.title', open: true } },
    {
      path: '/unlocked',
      name: 'unlocked',
      component: () => import('./pages/Unlocked.vue'),
      meta: { title: 'oidc.unlocked', open: true },
    },
    { path: '/account', name: 'account', component: Account, meta: { title: 'account.title' } },
    {
      path: '/ledger',
      name: 'ledger',
      component: () => import('./pages/Ledger.vue'),
      meta: { title: 'ledger.title', action: 'see_system' },
    },
    {
      path: '/system',
      name: 'system',
      component: () => import('./pages/System.vue'),
      meta: { title: 'nav.system', action: 'see_system' },
    },
    {
      path: '/admin',
      name: 'admin',
      component: Admin,
      meta: { title: 'admin.title' },
      children: [
        {
          path: 'users',
          name: 'users',
          component: () => import('./pages/admin/Users.vue'),
          meta: { title: 'admin.users', action: 'manage_users' },
        },
        {
          path: 'tokens',
          name: 'tokens',
          component: () => import('./pages/admin/Tokens.vue'),
          meta: { title: 'admin.tokens', action: 'manage_tokens' },
        },
        {
          path: 'models',
          name: 'models',
          component: () => import('./pages/admin/Models.vue'),
          meta: { title: 'models.title', action: 'manage_models' },
        },
        {
          path: 'devices',
          name: 'devices',
          component: () => import('./pages/admin/Devices.vue'),
          meta: { title: 'devices.title', action: 'manage_devices' },
        },
        {
          path: 'tenants',
          name: 'tenants',
          component: () => import('./pages/admin/Tenants.vue'),
          meta: { title: 'tenants.title', action: 'manage_tenants' },
        },
        {
          path: 'audit',
          name: 'audit',
          component: () => import('./pages/admin/Audit.vue'),
          meta: { title: 'admin.audit', action: 'read_audit' },
        },
      ],
    },
  ],
});

/** Where a person of this role begins. */
export function home(): RouteLocationRaw {
  if (may('see_images')) return { name: 'live' };
  return { name: may('see_system') ? 'system' : 'account' };
}

/** The first part of the administration that the role may see; where it begins otherwise. */
function firstPart(): RouteLocationRaw {
  const parts = router.options.routes.find(({ name }) => name === 'admin')?.children ?? [];
  const name = parts.find(({ meta }) => meta?.action && may(meta.action))?.name;
  return name ? { name } : home();
}

router.beforeEach(async (to) => {
  await known();
  if (to.name === 'login' && session.phase !== 'out') return home();
  if (to.meta.open) return true;
  if (session.phase === 'out') return { name: 'login', query: { back: to.fullPath } };
  if (to.name === 'admin') return firstPart();
  return to.meta.action && !may(to.meta.action) ? home() : true;
});
