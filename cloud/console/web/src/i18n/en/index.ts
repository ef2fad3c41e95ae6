// One file for each area of the page; a key has its place in exactly one of them.
import admin from './admin';
import live from './live';
import shell from './shell';
import system from './system';

const en = { ...admin, ...live, ...shell, ...system };

export type Messages = typeof en;
export default en;
