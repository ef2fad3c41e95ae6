import type { Messages } from '../en';
import admin from './admin';
import live from './live';
import report from './report';
import shell from './shell';
import stage from './stage';

const zh: Messages = { ...admin, ...live, ...report, ...shell, ...stage };

export default zh;
