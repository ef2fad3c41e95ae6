import type { Messages } from '../en';
import admin from './admin';
import live from './live';
import report from './report';
import shell from './shell';

const zh: Messages = { ...admin, ...live, ...report, ...shell };

export default zh;
