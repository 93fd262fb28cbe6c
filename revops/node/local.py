"""Nodes that live in this process, by the path at which their socket would be.

A simulation runs thousands of commands; a socket, and the other thread that it wakes, would cost each of them more than
the rest of a call. Here a request's bytes are handed over and a reply's bytes come back: they are written, bounded and
read as those of any node (`wire.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Given the bytes of a request, returns those of the reply.
Answer = Callable[[bytes], bytes]

_SERVED: Final[dict[str, Answer]] = {}


@contextmanager
def served(path: str | os.PathLike[str], answer: Answer) -> Iterator[None]:
    """Given a path and what answers there, let calls to that path go to it while the body runs."""
    name = os.fspath(path)
    _SERVED[name] = answer
    try:
        yield
    finally:
        del _SERVED[name]


def answer_at(path: str) -> Answer | None:
    """Given a path, return what answers there in this process; None where a socket must be asked."""
    return _SERVED.get(path)
