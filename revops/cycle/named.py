"""What the name that somebody types means: channels by an id of theirs, or those of a peer, by its id or its alias.

Every command that takes a name answers alike: where nothing goes by it, with what is near; where several peers do, with
all of them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from revops.errors import UnknownChannel

T = TypeVar("T")
#: The beginning of an id, as tables show one.
_BEGINNING: Final = re.compile(r"[0-9a-f]{8,}")
_SHOWN_LENGTH: Final = 12
#: So many names that are near are told, and so alike must they be: to difflib's own 0.6 any two short channel ids are.
_MOST_NEAR: Final = 3
_LEAST_ALIKE: Final = 0.75
#: A part of a name that is shorter is in too many.
_LEAST_WITHIN: Final = 3


class Names(NamedTuple):
    """What a channel goes by: its own ids, old scids among them, its peer's id, and the alias that the peer chose."""

    own: frozenset[str]
    peer_id: str | None
    alias: str | None


def meant(name: str, candidates: Iterable[T], names_of: Callable[[T], Names], nothing: str) -> list[T]:
    """Given a name and candidates, return those that are meant. Raise UnknownChannel where none is, in the words of
    `nothing` and with what is near, and where it fits several peers.
    """
    known = list(candidates)
    found = goes_by(name, known, names_of)
    if not found:
        raise UnknownChannel(f"{nothing} {name}{near(name, map(names_of, known))}")
    return found


def near(name: str, known: Iterable[Names]) -> str:
    """Given a name that nothing goes by, and the names that there are, return which of them are near, as the end of a
    sentence; nothing where none is.
    """
    wanted = name.casefold()
    ratios: dict[str, float] = {}
    for names in known:
        alias = names.alias or (names.peer_id or "")[:_SHOWN_LENGTH]
        for one in {*names.own, *filter(None, (names.alias, names.peer_id))}:
            ratio = _likeness(wanted, one.casefold())
            if ratio >= _LEAST_ALIKE:
                shown = f"{one} ({alias})" if one in names.own and alias else one
                ratios[shown] = max(ratios.get(shown, 0.0), ratio)
    best = sorted(ratios, key=lambda shown: (-ratios[shown], shown))[:_MOST_NEAR]
    return f"; near it: {', '.join(best)}" if best else ""


def _likeness(wanted: str, one: str) -> float:
    """1 where one is within the other, else how much of them is alike."""
    if len(wanted) >= _LEAST_WITHIN and wanted in one:
        return 1.0
    matcher = difflib.SequenceMatcher(None, wanted, one)
    return matcher.ratio() if matcher.quick_ratio() >= _LEAST_ALIKE else 0.0


def goes_by(name: str, candidates: Iterable[T], names_of: Callable[[T], Names]) -> list[T]:
    """Given a name and candidates, return those that are meant, none where nothing fits.

    Ids come first, then the beginning of one (eight digits and more), and aliases last, since anybody may choose what
    another's id looks like. Raise UnknownChannel where a beginning or an alias fits several peers.
    """
    found = [(one, names_of(one)) for one in candidates]
    exact = [one for one, names in found if name in names.own or name == names.peer_id]
    if exact:
        return exact
    begun = [(one, names) for one, names in found if _begins(names, name)]
    chosen = begun or [(one, names) for one, names in found if _is_alias(names, name)]
    _insist_on_one_peer(name, [names for _one, names in chosen])
    return [one for one, _names in chosen]


def _begins(names: Names, name: str) -> bool:
    ids = {*names.own, *({names.peer_id} if names.peer_id else ())}
    return _BEGINNING.fullmatch(name) is not None and any(one.startswith(name) for one in ids)


def _is_alias(names: Names, name: str) -> bool:
    return names.alias is not None and names.alias.casefold() == name.casefold()


def _insist_on_one_peer(name: str, chosen: Sequence[Names]) -> None:
    channels: dict[str, list[str]] = {}
    for names in chosen:
        channels.setdefault(names.peer_id or "", []).append(shortest(names))
    if len(channels) > 1:
        shown = "; ".join(
            f"{peer_id[:_SHOWN_LENGTH] or 'an unknown peer'} ({', '.join(sorted(filter(None, own)))})"
            for peer_id, own in sorted(channels.items())
        )
        raise UnknownChannel(f"{name} fits {len(channels)} peers: {shown}; name a channel, or a peer by its id")


def shortest(names: Names) -> str:
    """Given a channel's names, return the one to call it by: its scid where it has one; "" for none."""
    return min(names.own, key=lambda one: (len(one), one), default="")
