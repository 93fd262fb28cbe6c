"""The plan: who gets how much, out of what, at what price at most; and why the others get and give nothing.

Channels that want more are served out of the wallet, those first in which a sat brings most, as long as the reserve
holds after all of them. Change of a splice is no confirmed money until that confirms: the next one is paid from what is
left without it. Where the wallet lacks funds, channels with dead capital give them to it, a splice of their own, and
the next plan puts them where they are wanted: what they bring is that, less both transactions. Where nobody wants
them, one may give what a lease takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from revops.decide.splice.cost import (
    OUT_WEIGHT,
    channels_short,
    cost_reason,
    feerate_limit_perkw,
    in_weight,
    largest_first,
    most_inputs,
    terms_of,
    too_dear,
    worst_msat,
)
from revops.decide.splice.lease import lease_terms
from revops.decide.splice.winners import Want, is_loser, want
from revops.decide.suspend import lacks_wallet
from revops.domain.decision import Outcome
from revops.domain.node import WalletOutput
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDecision, SpliceDirection, SplicePlan, SpliceScene, SpliceSite, SpliceTerms
from revops.domain.units import MSAT_PER_SAT, PPM, sat_ceil, sat_floor


def make_plan(
    scene: SpliceScene, policy: SpliceConfig, min_days: int, suspended: tuple[Reason, ...] = ()
) -> SplicePlan:
    """Given the scene, the limits, for how many days a peer must have been there, and what suspends splices, return the
    plan: of each live channel what is to be done, the splices first.
    """
    decided = tuple(_Writer(scene, policy, min_days, suspended).decide())
    return SplicePlan(scene.taken_at, scene.taken_at + policy.plan_lifetime_seconds, decided, suspended)


@dataclass
class _Lack:
    """What a channel could use beyond what the wallet gives it."""

    of: Want
    sat: int


@dataclass
class _Writer:
    """Decides one channel after the other; what the wallet has left, and what channels lack, goes along."""

    scene: SpliceScene
    policy: SpliceConfig
    min_days: int
    suspended: tuple[Reason, ...]
    outputs: list[WalletOutput] = field(init=False)
    channels_free_msat: int = field(init=False)
    lacking: list[_Lack] = field(init=False, default_factory=list)
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.outputs = [one for one in self.scene.wallet.outputs if one.spendable]
        self.channels_free_msat = self.scene.channels_free_msat
        self.count = sum(self.scene.under_way(one.channel) for one in self.scene.sites)

    def decide(self) -> Iterator[SpliceDecision]:
        """Yield all decisions."""
        losers = [one for one in self.scene.sites if is_loser(one)]
        others = [one for one in self.scene.sites if not is_loser(one)]
        judged = [(one, want(one, self.scene, self.policy, self.min_days)) for one in others]
        wants = [found for _, found in judged if isinstance(found, Want)]
        for found in sorted(wants, key=lambda one: (-one.gain.middle_ratio, one.site.channel.channel_id)):
            yield self._fill(found)
        for site in sorted(losers, key=lambda one: (-one.channel.spendable_msat, one.channel.channel_id)):
            yield self._drain(site)
        for site, reason in judged:
            if isinstance(reason, Reason):
                yield _skip(site, reason)

    def _fill(self, found: Want) -> SpliceDecision:
        """A splice in, as far as the wallet pays for it."""
        obstacle = self._obstacle(found.site)
        if obstacle is not None:
            return _skip(found.site, obstacle, *found.reasons)
        perkw = self._perkw()
        taken = largest_first(self.outputs, found.amount_sat * MSAT_PER_SAT, perkw)
        weight = in_weight(most_inputs(self.outputs, found.amount_sat * MSAT_PER_SAT, perkw))
        gain_msat = found.amount_sat * MSAT_PER_SAT * found.gain.middle_ratio
        limit_perkw = feerate_limit_perkw(gain_msat, weight, perkw, self.policy)
        if limit_perkw < perkw:
            return _skip(found.site, too_dear(found.amount_sat, gain_msat, weight * perkw, self.policy), *found.reasons)
        free_sat, most_msat = self._free_sat(), worst_msat(SpliceDirection.IN, weight, limit_perkw)
        amount_sat = min(found.amount_sat, max(free_sat - sat_ceil(most_msat), 0))
        if found.amount_sat - amount_sat >= self.policy.min_amount_sat:
            self.lacking.append(_Lack(found, found.amount_sat - amount_sat))
        if amount_sat < self.policy.min_amount_sat:
            short = why(
                ReasonCode.SPLICE_WALLET_SHORT,
                free_sat=free_sat,
                reserve_sat=sat_floor(self.scene.reserve_msat),
                wanted_sat=found.amount_sat,
            )
            return SpliceDecision(
                found.site.channel.channel_id, found.site.channel.name, Outcome.DEFER, SpliceDirection.IN,
                found.amount_sat, 0, None, (*found.reasons, short),
            )  # fmt: skip
        terms = terms_of(SpliceDirection.IN, found.gain, amount_sat, weight, perkw, self.policy)
        if terms is None:
            gain_msat = amount_sat * MSAT_PER_SAT * found.gain.middle_ratio
            return _skip(found.site, too_dear(amount_sat, gain_msat, weight * perkw, self.policy), *found.reasons)
        reasons = (*found.reasons, cost_reason(terms, self._perkw()), *self._from_wallet(amount_sat, terms, taken))
        return self._planned(found.site, SpliceDirection.IN, amount_sat, terms, terms.cost_msat, reasons, taken)

    def _drain(self, site: SpliceSite) -> SpliceDecision:
        """A splice out of a dead channel, for one that lacks funds."""
        dead = why(
            ReasonCode.SPLICE_DEAD,
            silent_days=round(site.silent_days, 1),
            spendable_sat=sat_floor(site.channel.spendable_msat),
        )
        lack = self.lacking[0] if self.lacking else None
        if site.channel.channel_id in self.scene.leased_ids:
            return _skip(site, why(ReasonCode.SPLICE_LEASED), dead)
        if lack is None:
            return self._lend(site, dead)
        obstacle = self._obstacle(site)
        if obstacle is not None:
            return _skip(site, obstacle, dead)
        perkw = self._perkw()
        in_cost_msat = in_weight(1) * perkw
        most_cost_msat = OUT_WEIGHT * self.policy.max_feerate_perkw
        free_msat = min(site.channel.spendable_msat, self.channels_free_msat) - most_cost_msat
        amount_sat = min(lack.sat, max(sat_floor(free_msat), 0))
        if self.channels_free_msat < self.policy.min_amount_sat * MSAT_PER_SAT + most_cost_msat:
            return _skip(site, channels_short(self.channels_free_msat), dead)
        if amount_sat < self.policy.min_amount_sat:
            small = why(ReasonCode.SPLICE_TOO_SMALL, amount_sat=amount_sat, min_sat=self.policy.min_amount_sat)
            return _skip(site, small, dead)
        terms = terms_of(SpliceDirection.OUT, lack.of.gain, amount_sat, OUT_WEIGHT, perkw, self.policy, in_cost_msat)
        gain_msat = amount_sat * MSAT_PER_SAT * lack.of.gain.middle_ratio
        if terms is None:
            cost_msat = OUT_WEIGHT * perkw + in_cost_msat
            return _skip(site, too_dear(amount_sat, gain_msat, cost_msat, self.policy), dead)
        funds = why(
            ReasonCode.SPLICE_FUNDS,
            winner=lack.of.site.channel.name,
            gain_ppm=round(lack.of.gain.middle_ratio * PPM, 1),
            horizon_days=self.policy.horizon_days,
            lacking_sat=lack.sat,
            in_cost_msat=in_cost_msat,
        )
        reasons = (dead, funds, cost_reason(terms, perkw))
        cost_msat = terms.cost_msat + in_cost_msat
        decided = self._planned(site, SpliceDirection.OUT, amount_sat, terms, cost_msat, reasons)
        if decided.outcome is Outcome.CHANGE:
            lack.sat -= amount_sat
            self.lacking = [one for one in self.lacking if one.sat >= self.policy.min_amount_sat]
        return decided

    def _lend(self, site: SpliceSite, dead: Reason) -> SpliceDecision:
        """A splice out of a dead channel, for a lease."""
        lease = self.scene.lease
        if lease is None or lease.channel_id != site.channel.channel_id:
            return _skip(site, why(ReasonCode.SPLICE_NO_USE))
        obstacle = self._obstacle(site)
        if obstacle is not None:
            return _skip(site, obstacle, dead)
        terms, reasons = lease_terms(lease, self._perkw(), self.policy)
        if terms is None:
            return _skip(site, *reasons, dead)
        if self.channels_free_msat < lease.amount_sat * MSAT_PER_SAT + terms.max_cost_msat:
            return _skip(site, channels_short(self.channels_free_msat), dead)
        return self._planned(site, SpliceDirection.OUT, lease.amount_sat, terms, terms.cost_msat, (dead, *reasons))

    def _planned(
        self,
        site: SpliceSite,
        direction: SpliceDirection,
        amount_sat: int,
        terms: SpliceTerms,
        cost_msat: int,
        reasons: tuple[Reason, ...],
        taken: Sequence[WalletOutput] = (),
    ) -> SpliceDecision:
        """A splice, unless the plan is full, or something suspends it."""
        # A splice out fills a wallet that is below its reserve; for the channels it is no cure.
        waits = tuple(one for one in self.suspended if direction is SpliceDirection.IN or not lacks_wallet(one))
        if self.count >= self.policy.max_splices:
            waits = (why(ReasonCode.SPLICE_PLAN_FULL, splice_count=self.count), *waits)
        else:
            self.count += 1
            self.outputs = [one for one in self.outputs if one not in taken]
            if direction is SpliceDirection.OUT:
                self.channels_free_msat -= amount_sat * MSAT_PER_SAT + terms.max_cost_msat
        return SpliceDecision(
            channel_id=site.channel.channel_id,
            name=site.channel.name,
            outcome=Outcome.DEFER if waits else Outcome.CHANGE,
            direction=direction,
            amount_sat=amount_sat,
            expected_gain_msat=terms.gain_msat - cost_msat,
            terms=terms,
            reasons=(*reasons, *waits),
        )

    def _obstacle(self, site: SpliceSite) -> Reason | None:
        """What keeps a channel from being spliced now, whatever that would bring; None where nothing does."""
        channel, rates = site.channel, self.scene.rates
        if self.scene.under_way(channel):
            return why(ReasonCode.SPLICE_UNDER_WAY)
        if not channel.usable:
            return why(ReasonCode.NOT_USABLE, state=channel.state if channel.connected else "peer is not connected")
        if not site.splices:
            return why(ReasonCode.SPLICE_UNSUPPORTED)
        if rates is None:
            return why(ReasonCode.SPLICE_NO_FEERATE)
        most_perkw = self.policy.max_feerate_perkw
        if rates.opening_perkw > most_perkw:
            return why(ReasonCode.SPLICE_FEERATE, perkw=rates.opening_perkw, max_perkw=most_perkw)
        return None

    def _perkw(self) -> int:
        """Today's feerate; known where `_obstacle` found nothing."""
        return 0 if self.scene.rates is None else self.scene.rates.opening_perkw

    def _free_sat(self) -> int:
        """What the wallet has left above its reserve."""
        return max(sat_floor(sum(one.amount_msat for one in self.outputs) - self.scene.reserve_msat), 0)

    def _from_wallet(self, amount_sat: int, terms: SpliceTerms, taken: Sequence[WalletOutput]) -> Iterator[Reason]:
        """What the wallet keeps, at most of the cost, and what of that is confirmed meanwhile."""
        have_msat = sum(one.amount_msat for one in self.outputs)
        reserve_sat = sat_floor(self.scene.reserve_msat)
        left_sat = sat_floor(have_msat - terms.max_cost_msat) - amount_sat
        yield why(ReasonCode.SPLICE_WALLET, left_sat=left_sat, reserve_sat=reserve_sat)
        confirmed_msat = have_msat - sum(one.amount_msat for one in taken)
        if confirmed_msat < self.scene.reserve_msat:
            yield why(ReasonCode.SPLICE_CHANGE, confirmed_sat=sat_floor(confirmed_msat), reserve_sat=reserve_sat)


def _skip(site: SpliceSite, *reasons: Reason) -> SpliceDecision:
    return SpliceDecision(site.channel.channel_id, site.channel.name, Outcome.SKIP, None, 0, 0, None, reasons)
