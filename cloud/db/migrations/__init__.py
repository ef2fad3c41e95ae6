"""Revisions of the tables, oldest first in `versions`. A released revision is never changed; add the next."""
