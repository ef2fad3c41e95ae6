import type { Role } from './api/client';

export const ROLES: Role[] = ['doctor', 'sonographer', 'researcher', 'it', 'administrator'];
