import type { Messages } from '../en';
import admin from './admin';
import live from './live';
import shell from './shell';

const zh: Messages = { ...admin, ...live, ...shell };

export default zh;
