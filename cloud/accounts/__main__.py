"""Accounts: `python -m cloud.accounts tokens|audit ...`, the commands without the weight of the whole server."""

import sys

from cloud.accounts.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
