"""`revops ads adjust`: read, decide, offer or withdraw, record, export."""

from __future__ import annotations

import logging
import time
from typing import Final

from revops.actuate.ads import AdsKeeper
from revops.cycle.capital_cost import cost_of_capital
from revops.cycle.ingest import Synced
from revops.cycle.session import Clock, Session, open_session
from revops.decide.ads import AdsInput, decide_ads
from revops.decide.chain_floor import OLDEST_SECONDS
from revops.domain.ads import AdsDecision, AdsReport, MarketOffer
from revops.domain.options import CommonOptions
from revops.domain.reason import ReasonCode, why
from revops.domain.units import MSAT_PER_SAT
from revops.node.errors import NodeError
from revops.store import ads, decisions, samples

COMMAND: Final = decisions.ADS
#: The switch of lightningd without which nobody can open a channel to us that we fund, too.
DUAL_FUND: Final = "experimental-dual-fund"
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
    with session.database.read(session.node_key) as tx:
        feerates = samples.feerates_since(tx, view.taken_at - OLDEST_SECONDS)
        capital = cost_of_capital(tx, config, view.taken_at)
        known = in_force or ads.last_terms(tx)
    seen = AdsInput(view, capital, _market(session), feerates, suspended, known)
    held = () if config.ads.mode == "act" else (why(ReasonCode.OBSERVE_MODE),)
    decision = decide_ads(seen, config.ads, config.fees, config.reserve, held)
    session.count([decision.outcome])
    if session.run_key is not None:
        with session.database.transaction(session.node_key) as tx:
            decisions.record_ads(tx, session.run_key, decision)
    failure = keeper.apply(decision, config.reserve.onchain_sat * MSAT_PER_SAT)
    session.show_node(synced)
    if failure is not None:
        raise failure
    return decision


def _market(session: Session) -> tuple[MarketOffer, ...]:
    """What others ask for; nothing where the node doesn't tell: a withdrawal must not wait for gossip, and no price is
    below our cost without it.
    """
    try:
        return session.reader.lease_offers()
    except NodeError as error:
        _log.warning("%s; priced without what others ask for", error)
        return ()
