"""`revops clboss`, and what `fees adjust` and `rebalance run` ask of CLBOSS before they act."""

from __future__ import annotations

import logging
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext

from revops.actuate.clboss import METHOD, ClbossKeeper
from revops.cycle.named import Names, goes_by, near
from revops.cycle.policies import channel_policies
from revops.cycle.session import Clock, Session, open_session
from revops.decide.clboss import Interest, idle_tags, missing_tags, wanted_tags
from revops.domain.channel import Channel
from revops.domain.clboss import NO_TAGS, ClbossChange, ClbossOutcome, ClbossPeer, ClbossRelease, ClbossStatus, Tags
from revops.domain.options import CommonOptions
from revops.domain.policy import ClbossTag
from revops.domain.rules import ChannelPolicy
from revops.domain.text import counted, peer_name
from revops.errors import RevopsError, UnavailableError, UnknownName
from revops.node.errors import NodeError
from revops.store import actions, clboss, pins
from revops.store import channels as stored_channels
from revops.store.engine import Tx

STATUS_COMMAND = "clboss status"
RELEASE_COMMAND = "clboss release"
_log = logging.getLogger(__name__)


def keep_clboss_out(session: Session, tag: ClbossTag, channels: Sequence[Channel], now: float) -> RevopsError | None:
    """Given channels that this run is about to act on, see to it that CLBOSS leaves `tag` of their peers to us, where
    the configuration asks for that. Do nothing where CLBOSS isn't there.

    Return the error to end with where CLBOSS refused, or where it isn't known what it did: that is the caller's to
    weigh.
    """
    if tag not in session.config.clboss.unmanage:
        return None
    try:
        return _keep_out(session, tag, channels, now)
    except NodeError as error:
        return error


def _keep_out(session: Session, tag: ClbossTag, channels: Sequence[Channel], now: float) -> RevopsError | None:
    with session.database.read(session.node_key) as tx:
        left_open = actions.pending_actions(tx, METHOD)
        wanted = {peer_id: tags & {tag} for peer_id, tags in _wanted(tx, session, channels, now).items()}
        aliases = stored_channels.aliases(tx)
    unmanaged = session.reader.clboss_unmanaged()
    if unmanaged is None or not (left_open or missing_tags(wanted, unmanaged)):
        return None
    # Two commands that change a peer's set at once would undo each other. A dry run changes none.
    with nullcontext() if session.run_key is None else session.exclusive("clboss"):
        unmanaged = session.reader.clboss_unmanaged()
        if unmanaged is None:
            return None
        keeper = _keeper(session)
        keeper.settle(unmanaged)
        changes = keeper.take(unmanaged, missing_tags(wanted, unmanaged))
    would = "would leave" if session.run_key is None else "leaves"
    for change in changes:
        if change.outcome is ClbossOutcome.DONE:
            peer = peer_name(aliases.get(change.peer_id), change.peer_id)
            _log.info("CLBOSS %s %s of %s to us", would, ", ".join(change.taken), peer)
    return _failure(changes, aliases)


def _failure(changes: Sequence[ClbossChange], aliases: Mapping[str, str]) -> RevopsError | None:
    failed = [change for change in changes if change.outcome is ClbossOutcome.FAILED]
    if not failed:
        return None
    return UnavailableError(
        f"CLBOSS didn't do as asked for {counted(len(failed), 'peer')} of {len(changes)}; "
        f"{peer_name(aliases.get(failed[0].peer_id), failed[0].peer_id)}: {failed[0].message}"
    )


def _keeper(session: Session) -> ClbossKeeper:
    return ClbossKeeper(
        session.database, session.node_key, session.run_key, session.reader, session.writer, session.clock
    )


def _wanted(tx: Tx, session: Session, channels: Sequence[Channel], now: float) -> dict[str, Tags]:
    """What CLBOSS should leave to us of each peer_id, by what the rules make of its live channels."""
    policies = channel_policies(tx, session.config, channels, now)
    pinned = pins.pins_in_force(tx, now)
    return wanted_tags(session.config, _interests(session, channels, policies, pinned))


def _interests(
    session: Session, channels: Iterable[Channel], policies: Mapping[str, ChannelPolicy], pinned: Container[str]
) -> Iterator[Interest]:
    for channel in channels:
        own = policies.get(channel.channel_id)
        strategy = session.config.fees.strategy if own is None else own.fees.strategy
        if channel.live:
            yield Interest(
                channel.peer_id,
                priced=strategy != "off" or channel.channel_id in pinned,
                rebalanced=own is None or own.rebalance != "none",
            )


def status(options: CommonOptions, clock: Clock = time.time) -> ClbossStatus:
    """Given the flags, return what CLBOSS leaves to others, what of it we took, and what the next run will take."""
    with open_session(options, STATUS_COMMAND, None, clock) as session:
        now = session.clock()
        unmanaged = session.reader.clboss_unmanaged()
        channels = session.reader.channels()
        with session.database.read(session.node_key) as tx:
            held = clboss.held_tags(tx)
            wanted = {} if unmanaged is None else missing_tags(_wanted(tx, session, channels, now), unmanaged)
            aliases = stored_channels.aliases(tx)
    listed = unmanaged or {}
    peers = [
        ClbossPeer(
            peer_id=peer_id,
            alias=aliases.get(peer_id),
            unmanaged=tuple(sorted(listed.get(peer_id, NO_TAGS))),
            ours=tuple(sorted(held[peer_id].tags)) if peer_id in held else (),
            taken_at=held[peer_id].taken_at if peer_id in held else None,
            wanted=tuple(sorted(wanted.get(peer_id, NO_TAGS))),
        )
        for peer_id in sorted({*listed, *held, *wanted})
    ]
    config = session.config
    return ClbossStatus(now, unmanaged is not None, config.clboss.unmanage, idle_tags(config), tuple(peers))


def release(options: CommonOptions, names: Sequence[str] = (), clock: Clock = time.time) -> ClbossRelease:
    """Given the flags, give back to CLBOSS what we took, of the peers that go by these names or (none) of all; return
    what became of it.

    What the operator has unmanaged stays. Raise UnknownName for a peer of which we hold nothing, UnknownChannel for a
    name that fits several, UnavailableError where CLBOSS refused, NodeError where it isn't known what it did.
    """
    with open_session(options, RELEASE_COMMAND, "clboss", clock, writes=True) as session:
        unmanaged = session.reader.clboss_unmanaged()
        keeper = _keeper(session)
        if unmanaged is not None:
            keeper.settle(unmanaged)
        with session.database.read(session.node_key) as tx:
            held = {peer_id: one.tags for peer_id, one in clboss.held_tags(tx).items()}
            aliases = stored_channels.aliases(tx)
        meant = {peer_id for name in names for peer_id in _meant(name, held, aliases)}
        chosen = {peer_id: tags for peer_id, tags in held.items() if not names or peer_id in meant}
        changes = () if unmanaged is None else keeper.give_back(unmanaged, chosen)
        failure = _failure(changes, aliases)
        if failure is not None:
            raise failure
        given = {tag for change in changes for tag in change.given}
        idle = idle_tags(session.config)
        again = tuple(tag for tag in session.config.clboss.unmanage if tag in given and tag not in idle)
        known = {change.peer_id: aliases[change.peer_id] for change in changes if change.peer_id in aliases}
        return ClbossRelease(session.clock(), unmanaged is not None, changes, again, known)


def _meant(name: str, held: Iterable[str], aliases: Mapping[str, str]) -> list[str]:
    """The peer_ids, of those of which we hold something, that a name means."""

    def names_of(peer_id: str) -> Names:
        return Names(frozenset(), peer_id, aliases.get(peer_id))

    found = goes_by(name, held, names_of)
    if not found:
        raise UnknownName(f"{name}: nothing of this peer was taken from CLBOSS{near(name, map(names_of, held))}")
    return found
