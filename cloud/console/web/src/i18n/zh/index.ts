import type { Messages } from '../en';
import admin from './admin';
import live from './live';
import shell from './shell';
import stage from './stage';

const zh: Messages = { ...admin, ...live, ...shell, ...stage };

export default zh;
