"""`python -m cli`: what the `vitrine` script at the repository's root runs, and every process of a
box. Code in a slot that has its own packages starts anew with them first, as the same process."""

import os
import sys
from pathlib import Path

from ota.environment import own_python

if __name__ == "__main__":
    anew = own_python(Path(__file__).resolve().parent.parent, sys.argv[1:], os.environ)
    if anew is not None:
        os.execve(anew[0][0], *anew)
    from cli.main import main

    raise SystemExit(main())
