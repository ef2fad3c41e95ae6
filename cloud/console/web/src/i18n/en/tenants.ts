const tenants = {
  tenants: {
    title: 'Tenants',
    intro:
      'Hospitals or departments that share this server. Their people see their own devices, prints, examinations and series, and nothing of the others.',
    short: 'Short name, never changed',
    shortHint: 'a-z, 0-9, -',
    name: 'Name',
    add: 'Make a tenant',
    rename: 'Rename',
    renameAsk: 'New name of {name}',
    since: 'Since',
    of: 'Tenant',
    ofUser: 'Tenant of {name}',
    ofDevice: 'Tenant of {device}',
    site: 'Whole site',
    only: 'As long as there is one tenant, everything belongs to it and the page shows nothing of tenants.',
    moveAsk: 'Give {device} to {name}? What it sends from now on goes there; what it sent before stays where it is.',
    moveUserAsk: 'Let {user} see {name} from now on? Their sessions end.',
  },
};

export default tenants;
