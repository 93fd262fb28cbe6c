"""What liquidity ads are decided on: the node, what others ask for, and what the records say."""

from __future__ import annotations

import logging
from typing import Final

from revops.cycle.capital_cost import cost_of_capital
from revops.cycle.session import Session
from revops.decide.ads import AdsInput
from revops.decide.chain_floor import OLDEST_SECONDS
from revops.domain.ads import AdTerms, MarketOffer, StartingFees
from revops.domain.reason import Reason
from revops.domain.snapshot import NodeView
from revops.node.errors import NodeError
from revops.store import ads, samples
from revops.store.spliced_coins import spliced_msat

#: The switch of lightningd without which nobody can open a channel to us that we fund, too.
DUAL_FUND: Final = "experimental-dual-fund"
_log = logging.getLogger(__name__)


def ads_input(
    session: Session, view: NodeView, suspended: tuple[Reason, ...], in_force: AdTerms | None = None
) -> AdsInput:
    """Given the node as it is, why nothing may be written to it, and what it offers (None: as recorded last), return
    what there is to decide on.
    """
    starting = _starting(session)
    with session.database.read(session.node_key) as tx:
        offers = ads.past_offers(tx)
        return AdsInput(
            view=view,
            capital=cost_of_capital(tx, session.config, view.taken_at),
            market=_market(session),
            feerates=samples.feerates_since(tx, view.taken_at - OLDEST_SECONDS),
            suspended=suspended,
            in_force=in_force or ads.last_terms(tx),
            starting=starting,
            since_at=offers[0].at if offers else None,
            spliced_msat=spliced_msat(tx, view.wallet),
        )


def _starting(session: Session) -> StartingFees | None:
    base_msat, ppm = session.reader.config_int("fee-base"), session.reader.config_int("fee-per-satoshi")
    return None if base_msat is None or ppm is None else StartingFees(base_msat, ppm)


def _market(session: Session) -> tuple[MarketOffer, ...]:
    """What others ask for; nothing where the node doesn't tell: a withdrawal must not wait for gossip, and no price is
    below our cost without it.
    """
    try:
        return session.reader.lease_offers()
    except NodeError as error:
        _log.warning("%s; priced without what others ask for", error)
        return ()
