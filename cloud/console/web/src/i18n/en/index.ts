// One file for each area of the page; a key has its place in exactly one of them.
import admin from './admin';
import live from './live';
import shell from './shell';
import stage from './stage';
import viewer from './viewer';

const en = { ...admin, ...live, ...shell, ...stage, ...viewer };

export type Messages = typeof en;
export default en;
