"""What splices are decided on: the node as it is, and what the records say of the capital in its channels."""

from __future__ import annotations

from typing import Final

from revops.cycle.ads_input import DUAL_FUND, ads_input
from revops.cycle.capital import capital_report
from revops.cycle.classes import inputs
from revops.cycle.session import Session
from revops.decide.ads_funding import funding, leased
from revops.decide.chain_floor import OLDEST_SECONDS
from revops.decide.dead_capital import chain_rates, silent_days, standing
from revops.decide.scoring import signals_of
from revops.decide.suspend import resume_level_msat
from revops.domain.forward import ForwardStatus
from revops.domain.period import DAY_SECONDS
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import NodeView
from revops.domain.splice import SpliceScene, SpliceSite
from revops.domain.values import replace
from revops.node.parse_features import Features
from revops.node.version import parse_version
from revops.store import samples, signals, splices_begun
from revops.store.engine import Tx
from revops.store.failures import failures
from revops.store.keys import channel_keys

#: The first whose splices don't abort or lose parts of a sat.
OLDEST_VERSION: Final = (26, 6)
#: option_splice (BOLT 9): required, or supported.
SPLICE_BITS: Final = frozenset({62, 63})
#: temporary_channel_failure (BOLT 4, "Failure Messages"): the liquidity, the slots or the peer was missing.
_NOTHING_TO_SEND: Final = 0x1007


def mode_reasons(session: Session) -> tuple[Reason, ...]:
    """Why no splice may be executed at all; a build without a version number is taken for a new one."""
    reasons = []
    if session.config.splice.mode != "act":
        reasons.append(why(ReasonCode.OBSERVE_MODE))
    series = parse_version(session.info.version)
    if series is not None and series < OLDEST_VERSION:
        reasons.append(why(ReasonCode.SPLICE_OLD_NODE, version=session.info.version))
    return tuple(reasons)


def budget_reasons(splice: SpliceConfig) -> tuple[Reason, ...]:
    """Why none will be begun in mode act although it is planned: nobody has named what it may cost."""
    unset = splice.mode == "act" and not (splice.daily_sat and splice.weekly_sat)
    return (why(ReasonCode.SPLICE_NO_BUDGET),) if unset else ()


def splice_scene(session: Session, view: NodeView, stopped: tuple[Reason, ...]) -> SpliceScene:
    """Given the node as it is, and what suspends spending, return it with what the records say of the capital in its
    channels, and with what a dead one's could be lent for.
    """
    scene = scene_of(session, view)
    if session.config.ads.mode != "act" or not session.reader.config_flag(DUAL_FUND):
        return scene
    lease = funding(ads_input(session, view, stopped), scene.sites, session.config)
    return replace(scene, lease=lease if lease is not None and lease.sold else None)


def scene_of(session: Session, view: NodeView) -> SpliceScene:
    """Given the node as it is, return it with what the records say of the capital in its channels."""
    config, now = session.config, view.taken_at
    features = session.reader.features()
    with session.database.read(session.node_key) as tx:
        judged = inputs(tx, config.classes, now)
        report = capital_report(tx, config.classes, config.reserve, now, judged)
        first_day = 0 if report.rated is None else report.rated.first_day
        rated_days = 0.0 if report.rated is None else report.rated.seconds / DAY_SECONDS
        refused = _refused(tx, first_day, int(now // DAY_SECONDS) + 1)
        begun = frozenset(job.channel_id for job in splices_begun.open_splices(tx))
        sampled = samples.feerates_since(tx, now - OLDEST_SECONDS)
        traffic = signals.load(tx)
    by_id = {one.channel.channel_id: one for one in judged}
    rows = {one.channel_id: one for one in report.channels}
    sites = []
    for channel in view.channels:
        if channel.channel_id not in by_id or not channel.live:
            continue
        one = by_id[channel.channel_id]
        count, amount_msat = refused.get(channel.channel_id, (0, 0))
        sites.append(
            SpliceSite(
                channel=channel,
                row=rows[channel.channel_id],
                standing=standing(one.seen, config.classes),
                splices=_splices(features, channel.peer_id),
                silent_days=silent_days(one.seen),
                connected_days=one.seen.connected_seconds / DAY_SECONDS,
                exhausted_days=max(one.seen.connected_seconds - one.seen.open_seconds, 0.0) / DAY_SECONDS,
                refused_count=count,
                refused_msat=amount_msat,
                demand_msat_per_day=signals_of(channel.channel_id, channel.peer_id, traffic, now).demand.msat_per_day,
            )
        )
    return SpliceScene(
        taken_at=now,
        sites=tuple(sites),
        wallet=view.wallet,
        # Until a block has a splice all of the wallet may be unconfirmed. What that suspends must end with it.
        reserve_msat=resume_level_msat(config.reserve.onchain_sat, config.reserve.resume_ratio),
        channels_free_msat=view.spendable_msat
        - resume_level_msat(config.reserve.offchain_sat, config.reserve.resume_ratio),
        rates=chain_rates(sampled, now),
        rated_days=rated_days,
        begun_ids=begun,
        leased_ids=frozenset(channel.channel_id for channel in view.channels if leased(channel, view.node.blockheight)),
        now_perkw=next((one.opening_perkw for one in sampled if one.sampled_at == now), None),
    )


def _splices(features: Features, peer_id: str) -> bool | None:
    """Whether the peer and we signal splicing; None where the peer's features aren't known."""
    peers = features.peers.get(peer_id)
    return None if peers is None else bool(SPLICE_BITS & features.own) and bool(SPLICE_BITS & peers)


def _refused(tx: Tx, first_day: int, end_day: int) -> dict[str, tuple[int, int]]:
    """By channel_id, how many payments that wanted to leave by it we turned away for want of what it takes, and how
    much that was.
    """
    ids = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    found: dict[str, tuple[int, int]] = {}
    for row in failures(tx, first_day, end_day):
        if row.channel_key in ids and (row.status, row.failcode) == (ForwardStatus.LOCAL_FAILED, _NOTHING_TO_SEND):
            found[ids[row.channel_key]] = int(row.failure_count), int(row.in_msat)
    return found
