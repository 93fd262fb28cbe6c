"""Sockets in a short folder: a unix socket's path has 108 bytes, and pytest's own folders are long."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyln.client import LightningRpc


@pytest.fixture
def socket_path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sim"))
    yield folder / "rpc"
    shutil.rmtree(folder)


@pytest.fixture
def pyln(socket_path: Path) -> Any:
    """The real client, quiet: its default logger would install a handler."""
    return LightningRpc(str(socket_path), logger=logging.getLogger("tests.sim"))
