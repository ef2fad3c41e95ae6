"""One machine: the `sonorelay` command starts edge and cloud as child processes and imports neither."""
