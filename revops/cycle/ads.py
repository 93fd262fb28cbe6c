"""`revops ads adjust`: read, decide, offer or withdraw, record, export."""

from __future__ import annotations

import logging
import time
from typing import Final

from revops.actuate.ads import AdsKeeper
from revops.cycle.ads_input import DUAL_FUND, ads_input
from revops.cycle.ingest import Synced
from revops.cycle.session import Clock, Session, open_session
from revops.cycle.splice_scene import scene_of
from revops.decide.ads import decide_ads
from revops.decide.ads_funding import funding, funding_reasons, wallet_short
from revops.domain.ads import AdsDecision, AdsReport
from revops.domain.decision import Outcome
from revops.domain.options import CommonOptions
from revops.domain.reason import ReasonCode, why
from revops.domain.units import MSAT_PER_SAT
from revops.domain.values import replace
from revops.store import decisions

COMMAND: Final = decisions.ADS
_log = logging.getLogger(__name__)


def run(options: CommonOptions, clock: Clock = time.time) -> AdsReport:
    """Given the flags, offer liquidity for lease as the configuration says; return what was decided, as carried out.

    On a node without dual funding nothing is done. Raise DataError or NodeError where the node refused or altered what
    it was asked to.
    """
    with open_session(options, COMMAND, "capital", clock, writes=True) as session:
        mode = session.config.ads.mode
        if not session.reader.config_flag(DUAL_FUND):
            return AdsReport(session.clock(), mode, None)
        decision = _adjust(session, session.sync())
        return AdsReport(decision.taken_at, mode, decision, compared_with_records=not _asks(session))


def _asks(session: Session) -> bool:
    """Whether what is in force may be asked for: asking makes the node announce its rates anew."""
    return session.run_key is not None and session.config.ads.mode == "act"


def _adjust(session: Session, synced: Synced) -> AdsDecision:
    config, view = session.config, synced.view
    keeper = AdsKeeper(session.database, session.node_key, session.run_key, session.writer, session.clock)
    suspended = session.suspensions(synced, spending=True)
    in_force = keeper.in_force() if _asks(session) else None
    seen = ads_input(session, view, suspended, in_force)
    held = () if config.ads.mode == "act" else (why(ReasonCode.OBSERVE_MODE),)
    decision = decide_ads(seen, config.ads, config.fees, config.reserve, held)
    if wallet_short(seen, config.ads, config.reserve):
        found = funding(seen, scene_of(session, view).sites, config)
        decision = replace(
            decision, funding=found, reasons=(*decision.reasons, *funding_reasons(found, seen, config.ads))
        )
    if decision.outcome is not Outcome.SKIP:
        for reason in decision.reasons:
            if reason.code is ReasonCode.ADS_GIVEN:
                _log.warning("%s", reason.sentence)
    session.count([decision.outcome])
    if session.run_key is not None:
        with session.database.transaction(session.node_key) as tx:
            decisions.record_ads(tx, session.run_key, decision)
    failure = keeper.apply(decision, config.reserve.onchain_sat * MSAT_PER_SAT)
    session.show_node(synced)
    if failure is not None:
        raise failure
    return decision
