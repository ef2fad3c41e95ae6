// One file for each area of the page; a key has its place in exactly one of them.
import admin from './admin';
import ledger from './ledger';
import live from './live';
import models from './models';
import shell from './shell';

const en = { ...admin, ...ledger, ...live, ...models, ...shell };

export type Messages = typeof en;
export default en;
