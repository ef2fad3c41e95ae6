import '@fontsource-variable/inter/wght.css';
import 'element-plus/theme-chalk/dark/css-vars.css';
import './style.css';
import './theme';

import { createApp } from 'vue';

import App from './App.vue';
import { i18n } from './i18n';
import { router } from './router';
import { watchPerson } from './session';

createApp(App).use(router).use(i18n).mount('#app');
watchPerson();
