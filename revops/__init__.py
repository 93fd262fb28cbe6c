"""revops: run a Core Lightning routing node at a profit. This module carries the version and imports nothing."""

__version__ = "0.1.0"
