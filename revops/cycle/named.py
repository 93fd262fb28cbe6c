"""What the name that somebody types means: channels by an id of theirs, or those of a peer, by its id or its alias."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from revops.errors import UnknownChannel

T = TypeVar("T")
#: The beginning of an id, as tables show one.
_BEGINNING: Final = re.compile(r"[0-9a-f]{8,}")
_SHOWN_LENGTH: Final = 12


class Names(NamedTuple):
    """What a channel goes by: its own ids, old scids among them, its peer's id, and the alias that the peer chose."""

    own: frozenset[str]
    peer_id: str | None
    alias: str | None


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
    peers = sorted({names.peer_id or "" for names in chosen})
    if len(peers) > 1:
        shown = ", ".join(peer[:_SHOWN_LENGTH] or "an unknown peer" for peer in peers)
        raise UnknownChannel(f"{name} fits {len(peers)} peers: {shown}; name a channel, or a peer by its id")
