"""HTTP API of the console."""
