import type { Messages } from '../en';
import admin from './admin';
import live from './live';
import shell from './shell';
import system from './system';

const zh: Messages = { ...admin, ...live, ...shell, ...system };

export default zh;
