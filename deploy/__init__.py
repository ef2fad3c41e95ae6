"""Everything on one machine, and the ways to deploy it beyond one."""
