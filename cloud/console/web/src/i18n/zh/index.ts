import type { Messages } from '../en';
import admin from './admin';
import exam from './exam';
import live from './live';
import shell from './shell';
import stage from './stage';

const zh: Messages = { ...admin, ...exam, ...live, ...shell, ...stage };

export default zh;
