import type { Messages } from '../en';
import admin from './admin';
import exam from './exam';
import ledger from './ledger';
import live from './live';
import models from './models';
import report from './report';
import shell from './shell';
import stage from './stage';
import system from './system';
import tenants from './tenants';
import viewer from './viewer';

const zh: Messages = { ...admin, ...exam, ...ledger, ...live, ...models, ...report, ...shell, ...stage, ...system, ...tenants, ...viewer };

export default zh;
