import type { Messages } from '../en';
import admin from './admin';
import ledger from './ledger';
import live from './live';
import models from './models';
import shell from './shell';

const zh: Messages = { ...admin, ...ledger, ...live, ...models, ...shell };

export default zh;
