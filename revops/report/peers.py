"""`revops report peers` as blocks: who sends, who receives, and how well."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.record import PeerRecord, PeersReport, Standing
from revops.domain.stability import Stability, StabilityWindow
from revops.domain.text import counted
from revops.report.amounts import age, income, span
from revops.report.blocks import Block, Line, Table


def peers(value: PeersReport) -> Iterator[Block]:
    """Given the peers, render a row each, the best earner first."""
    yield Line(f"{counted(len(value.peers), 'peer')}; synced {age(value.synced_at, value.taken_at)}")
    if value.peers:
        days = f"{value.window_days} d"
        headings = (
            "peer", ">channels", ">sends well", ">of", ">receives well", ">of", ">holds", ">up 24 h", ">up 7 d",
            ">drops 7 d", f">in {days}", f">out {days}", f">earned {days}", f">sourced {days}",
        )  # fmt: skip
        yield Table("Peers (sat)", headings, tuple(_row(peer) for peer in value.peers))
        yield Line("up: the share of the time of which it is known where the peer was; - where that is less than half")
        yield Line("well: the chance that its next payment succeeds; of: payments counted, older ones for less")


def _row(peer: PeerRecord) -> tuple[str, ...]:
    return (
        peer.alias or peer.peer_id[:12],
        f"{peer.channel_count:,}",
        *_standing(peer.sender),
        *_standing(peer.receiver),
        _hold(peer.hold_seconds),
        *_steadiness(peer.stability),
        income(peer.in_msat),
        income(peer.out_msat),
        income(peer.earned_msat),
        income(peer.sourced_msat),
    )


def _standing(standing: Standing) -> tuple[str, str]:
    """A score that rests on nothing is no score."""
    known = standing.payment_count >= 0.05
    return (f"{100 * standing.score_ratio:.0f} %" if known else "-", f"{standing.payment_count:,.1f}")


def _steadiness(stability: Stability | None) -> tuple[str, str, str]:
    if stability is None:
        return ("-", "-", "-")
    return (_up(stability.day), _up(stability.week), f"{stability.week.flap_count:,}")


def _up(window: StabilityWindow) -> str:
    ratio = window.uptime_ratio
    return "-" if ratio is None else f"{100 * ratio:.1f} %"


def _hold(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 10 else span(seconds)
