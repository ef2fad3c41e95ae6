import type { Messages } from '../en';
import admin from './admin';
import exam from './exam';
import ledger from './ledger';
import live from './live';
import models from './models';
import orders from './orders';
import report from './report';
import shell from './shell';
import stage from './stage';
import studies from './studies';
import system from './system';
import tenants from './tenants';
import viewer from './viewer';

const zh: Messages = { ...admin, ...exam, ...ledger, ...live, ...models, ...orders, ...report, ...shell, ...stage, ...studies, ...system, ...tenants, ...viewer };

export default zh;
