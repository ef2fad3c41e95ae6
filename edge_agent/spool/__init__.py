"""The durable spool: what was captured, where it stands, and its bytes, until the receipt is verified."""
