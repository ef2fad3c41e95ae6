// One file for each area of the page; a key has its place in exactly one of them.
import admin from './admin';
import live from './live';
import report from './report';
import shell from './shell';
import stage from './stage';
import viewer from './viewer';

const en = { ...admin, ...live, ...report, ...shell, ...stage, ...viewer };

export type Messages = typeof en;
export default en;
