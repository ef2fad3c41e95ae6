"""Step 11's driver: takes queued images to the reader and its results into the database."""
