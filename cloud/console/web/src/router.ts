import { createRouter, createWebHistory } from 'vue-router';

import Live from './pages/Live.vue';

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', redirect: '/live' },
    { path: '/live/:capture?', name: 'live', component: Live },
  ],
});
