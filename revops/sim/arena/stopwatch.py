"""Where the time of full cycles goes: a stopwatch that runs for one part at a time."""
from __future__ import annotations
from contextlib import contextmanager
class Stopwatch:
    def __enter__(self): return self
    def __exit__(self, *a): pass
    @contextmanager
    def watching(self): yield
    def parts(self, s): return {}
