"""Liquidity ads: what is offered to those who lease liquidity from us, what it costs us, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.domain.decision import Outcome
from revops.domain.reason import Reason
from revops.domain.units import MSAT_PER_SAT

#: How long a lease binds what was lent (BOLT 2, `option_will_fund`), and at Bitcoin's pace in days.
LEASE_BLOCKS: Final = 4_032
LEASE_DAYS: Final = LEASE_BLOCKS * 600 / 86_400
#: Parts of `lease_fee_basis` in a whole.
BASIS: Final = 10_000
#: What the announcement has room for: two bytes for basis, weight and thousandths, four for the base fees.
MAX_U16: Final = 2**16 - 1
#: Parts of a million in a thousandth, as the promised fee rate is told.
PPM_PER_THOUSANDTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class LeaseRates:
    """What a lease costs the lessee, and what the lessor promises to charge for routing at most while it runs."""

    fee_base_msat: int
    fee_basis: int
    funding_weight: int
    max_base_msat: int
    max_thousandths: int

    @property
    def empty(self) -> bool:
        """Whether nothing is advertised: lightningd leaves rates that are all 0 out of the announcement."""
        fees = (self.fee_base_msat, self.fee_basis, self.funding_weight)
        return not any((*fees, self.max_base_msat, self.max_thousandths))

    @property
    def promised_ppm(self) -> int:
        """The highest fee rate that may be charged for routing."""
        return self.max_thousandths * PPM_PER_THOUSANDTH

    def fee_msat(self, amount_msat: int, perkw: int) -> int:
        """Given what is leased, and the feerate of the transaction that funds it in sat per 1000 weight units, return
        what the lessee pays us (lightningd, common/lease_rates.c): each part in whole sat, rounded down.
        """
        amount_sat = amount_msat // MSAT_PER_SAT
        fee_sat = amount_sat * self.fee_basis // BASIS + self.funding_weight * perkw // 1_000
        return self.fee_base_msat // MSAT_PER_SAT * MSAT_PER_SAT + fee_sat * MSAT_PER_SAT


NO_RATES: Final = LeaseRates(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class AdTerms:
    """What the node's plugin funder does when somebody opens a channel to us (`funderupdate`). Amounts that it leaves
    in the wallet, and lends in one channel at least and at most.
    """

    policy: str
    policy_mod: int
    leases_only: bool
    per_channel_min_msat: int
    per_channel_max_msat: int
    reserve_tank_msat: int
    fuzz_percent: int
    fund_probability: int
    rates: LeaseRates

    @property
    def withdrawn(self) -> bool:
        """Whether nothing is offered."""
        return self.policy == "fixed" and self.policy_mod == 0 and self.rates.empty


#: What others ask for in gossip: a node and its rates.
MarketOffer = tuple[str, LeaseRates]


@dataclass(frozen=True, slots=True)
class LeaseCost:
    """What a lease must earn: `share_ratio` of what is lent for the capital, `close_msat` for the later close, and
    `splice_msat` for the splice that brought the coins, all without the margin for risk. Our part of the transaction
    that funds it weighs `weight` at most; the lessee pays for it at that transaction's own feerate.
    """

    share_ratio: float
    close_msat: int
    weight: int
    splice_msat: int = 0

    @property
    def fixed_msat(self) -> int:
        """What a lease of any size costs."""
        return self.close_msat + self.splice_msat


@dataclass(frozen=True, slots=True)
class Lendable:
    """How much may be lent before the next run, in all and in one channel, what the wallet must hold for anything to be
    lent, what our part of a transaction that funds a lease weighs at most, and why it is no more.
    """

    total_msat: int
    lease_msat: int
    tank_msat: int
    weight: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class StartingFees:
    """What the node charges for routing on a new channel, until somebody sets its fees."""

    base_msat: int
    ppm: int


@dataclass(frozen=True, slots=True)
class LeaseFunding:
    """A lease that the wallet can't pay for, and a splice out of a channel with dead capital that would let it: how
    much is to come out of the channel, how much of it can be lent, what that splice costs at today's feerate, and what
    the lease must earn then (the splice included) and would be asked. `own_msat` of the cost is our part of the opening
    and the later close. `sold` says that others ask for as much as it must earn, or more.
    """

    channel_id: str
    name: str
    amount_sat: int
    lease_msat: int
    splice_msat: int
    rates: LeaseRates
    price_msat: int
    cost_msat: int
    own_msat: int
    market_msat: int | None
    offer_count: int

    @property
    def sold(self) -> bool:
        """Whether there is a market for it."""
        return self.market_msat is not None and self.market_msat >= self.cost_msat


@dataclass(frozen=True, slots=True)
class PastOffer:
    """A change of what is offered: what was sent at that moment, and what stood there until then. What the node refused
    is in neither.
    """

    at: float
    rates: tuple[LeaseRates, ...]
    before: tuple[LeaseRates, ...] = ()


@dataclass(frozen=True, slots=True)
class LeasePromise:
    """What we promised to charge for routing at most over a channel that was leased, for so many blocks more. None: it
    isn't on record what was promised.
    """

    base_msat: int | None
    ppm: int | None
    left_blocks: int


@dataclass(frozen=True, slots=True)
class AdsDecision:
    """What is offered from now on: `old` is what was in force (None: not known), `new` what shall be.

    `price_msat` is what a lease of the largest size would bring at today's feerate, `cost_msat` what it must. `funding`
    is how the wallet could get what it lacks for a lease.
    """

    taken_at: float
    outcome: Outcome
    old: AdTerms | None
    new: AdTerms
    reasons: tuple[Reason, ...]
    lent_msat: int = 0
    lendable_msat: int = 0
    price_msat: int | None = None
    cost_msat: int | None = None
    market_msat: int | None = None
    funding: LeaseFunding | None = None


@dataclass(frozen=True, slots=True)
class AdsReport:
    """What `ads adjust` did, or would do; `decision` is None on a node without dual funding, which can lend nothing.

    `compared_with_records` says that what is in force wasn't asked for, since asking writes: `decision.old` is what was
    offered last.
    """

    taken_at: float
    mode: str
    decision: AdsDecision | None
    compared_with_records: bool = False
