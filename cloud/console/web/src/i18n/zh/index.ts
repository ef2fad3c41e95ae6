import type { Messages } from '../en';
import admin from './admin';
import live from './live';
import shell from './shell';
import viewer from './viewer';

const zh: Messages = { ...admin, ...live, ...shell, ...viewer };

export default zh;
