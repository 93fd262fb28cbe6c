"""Files that people ask for: whole or not at all, and for their owner alone."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from revops.domain.text import printable
from revops.errors import DiskError, OutputError, PermissionDenied

_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})


def replace_file(path: Path, texts: Iterable[str]) -> None:
    """Given a path and a text in pieces, put it there in UTF-8 once it is whole and on disk, with mode 0600. Whatever
    ends it before, the pieces' own errors too, leaves what was there.

    Raise PermissionDenied, DiskError or OutputError where it can't be written.
    """
    with _explained(path):
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise OutputError(f"{printable(str(path))} is no ordinary file")
        descriptor, name = mkstemp(dir=target.parent, prefix=".revops_", suffix=".tmp")
    part, file = Path(name), os.fdopen(descriptor, "wb")
    try:
        for text in texts:
            with _explained(path):
                file.write(text.encode())
        with _explained(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            part.replace(target)
    finally:
        with suppress(OSError):  # what couldn't be written before can't be now
            file.close()
        with suppress(OSError):  # renamed, or the disk is gone: there is nothing better to do
            part.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = f"{printable(str(path))}: {error.strerror or error}"
        if isinstance(error, PermissionError):
            raise PermissionDenied(said) from error
        if error.errno in _DISK:
            raise DiskError(said) from error
        raise OutputError(said) from error
