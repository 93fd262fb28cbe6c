"""Python imports this before anything else where its folder is on PYTHONPATH: with E2E_NOW_AT, time stands still there.

The simulated node lives in virtual time, and a command that is a process of its own has no clock to be handed in.
"""

from __future__ import annotations

import os
import time

_now_at = os.environ.get("E2E_NOW_AT")
if _now_at is not None:
    _fixed_at = float(_now_at)
    time.time = lambda: _fixed_at
