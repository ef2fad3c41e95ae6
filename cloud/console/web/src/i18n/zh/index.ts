import type { Messages } from '../en';
import admin from './admin';
import live from './live';
import report from './report';
import shell from './shell';
import stage from './stage';
import viewer from './viewer';

const zh: Messages = { ...admin, ...live, ...report, ...shell, ...stage, ...viewer };

export default zh;
