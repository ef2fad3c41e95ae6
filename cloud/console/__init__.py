"""Step 13 of 13: console. The API (api/) and the page (web/)."""
