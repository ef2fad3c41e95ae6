"""Part of step 11: the engines, one file each; `cloud/build.py` picks one."""
