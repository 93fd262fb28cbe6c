"""`python -m revops.recorder`: the plugin, where it is run from a checkout."""

from __future__ import annotations

import sys

from revops.recorder.plugin import main

if __name__ == "__main__":
    sys.exit(main())
