"""The last few things that were drawn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

_MOST: Final = 6
T = TypeVar("T")


def kept(cache: OrderedDict[int, T], key: int, make: Callable[[int], T]) -> T:
    """What was made lately, or make it: history itself is never kept."""
    if key not in cache:
        cache[key] = make(key)
        if len(cache) > _MOST:
            cache.popitem(last=False)
    return cache[key]
