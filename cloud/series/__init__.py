"""Beside the thirteen steps: series. From the image now read to its whole series, and planes cut through that.

The way: `found` (DICOM files of folders), `group` (which belong to the image now read), `gaps` (what is missing, and
the search for it), `geometry` (a plan of the stack, or a refusal in words), `volume`, `reslice`, `export`;
`reconstruct` goes it once, `command` for a person. What is left out and why is part of every answer. No name of a
patient enters a log, an error or a `repr`.

On a server: `uploads` makes stored series of folders (`arrival`, `deidentify`, `filing`), `catalogue` lists them,
`workers` open them and cut planes in processes of their own (`worker`, `opened`, `facts`); `service` is all of it.
"""
