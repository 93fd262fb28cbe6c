"""Whatever happens around it, in whatever order: each lease that is taken covers its cost and keeps the limits and the
reserve, and nothing can be leased after a run that had a reason against it.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from revops.cycle import ads, ads_input
from revops.domain.ads import AdsDecision
from revops.domain.capital import RatioRange
from tests.actuate.bench import DAY, Bench, open_bench

SAT = 1_000
YEARLY_RATIO = 0.02
RESERVE_SAT, MOST_TOTAL_SAT, MOST_LEASE_SAT = 400_000, 3_000_000, 1_500_000
STEPS = 20


class Lender:
    """A node that lends, and what its last run knew."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench, self.world, self.rng = bench, bench.node.world, Random(seed)
        self.peers = [one.node_id for one in self.world.peers.values() if one.connected]
        self.closing_perkw, self.offered, self.leased_count, self.kinds = 0, False, 0, set[str]()

    def step(self) -> None:
        """Let anything happen."""
        name = self.rng.choice(("lease", "lease", "run", "run", "feerate", "spend", "wait", "restart", "bump"))
        getattr(self, name)()
        self.kinds.add(name)

    def free_sat(self) -> int:
        return sum(one.amount_msat for one in self.world.outputs if not one.reserved_to_height) // SAT

    def lent_sat(self) -> int:
        """What runs, by the node's own rows, for no longer than a lease can."""
        since_at = self.world.now_at - 4_032 * 600
        leased = [one for one in self.world.channels.values() if one.leased and one.opened_at >= since_at]
        return sum(one.local_funds_msat for one in leased) // SAT

    def run(self) -> None:
        self.bench.node.advance_by(1)
        report = ads.run(self.bench.options, clock=self.bench.clock)
        assert report.decision is not None
        self.check(report.decision)

    def check(self, decision: AdsDecision) -> None:
        """A run says why; what is withdrawn by it can't be leased."""
        rates = self.bench.node.handle("feerates", {"style": "perkw"})["perkw"]
        self.closing_perkw, self.offered = rates["unilateral_close"], not decision.new.withdrawn
        assert decision.reasons
        confirmed_sat = (
            sum(one.amount_msat for one in self.world.outputs if one.height and not one.reserved_to_height) // SAT
        )
        since_at = self.world.now_at - 4_032 * 600
        free = [one for one in self.world.channels.values() if one.opener == "remote" and not one.leased]
        bumped = any(one.local_funds_msat and one.opened_at >= since_at for one in free)
        if max(rates["opening"], rates["unilateral_close"]) > 12_500 or confirmed_sat < RESERVE_SAT or bumped:
            assert not self.offered

    def lease(self) -> None:
        """A few that come between two runs."""
        for _ in range(4):
            self.lease_one()

    def lease_one(self) -> None:
        amount_sat, peer_id = (
            self.rng.choice((10_000, 500_000, 900_000, 1_500_000, 4_000_000)),
            self.rng.choice(self.peers),
        )
        outputs = {(one.txid, one.outnum) for one in self.world.outputs}
        channel_id = self.bench.node.lease(peer_id, amount_sat)
        if channel_id is None:
            return
        assert self.offered
        self.leased_count += 1
        channel = self.world.channels[channel_id]
        spent_count = len(outputs - {(one.txid, one.outnum) for one in self.world.outputs})
        earned_msat = amount_sat * SAT * YEARLY_RATIO * 28 / 365 + 1_304 * self.closing_perkw
        own_msat = (275 * spent_count + 172) * self.world.feerate_perkw
        assert channel.pushed_msat >= earned_msat * 1.25 + own_msat
        assert amount_sat <= MOST_LEASE_SAT
        assert self.lent_sat() <= MOST_TOTAL_SAT
        assert self.free_sat() >= RESERVE_SAT

    def bump(self) -> None:
        """The last lessee raises the feerate of the opening, now and then."""
        leased = [one for one in self.world.channels.values() if one.leased]
        if leased and self.rng.random() < 0.3:
            channel = leased[-1]
            channel.leased, channel.to_us_msat = False, channel.to_us_msat - channel.pushed_msat
            channel.pushed_msat = 0

    def feerate(self) -> None:
        self.world.feerate_perkw = self.rng.choice((253, 1_000, 4_000, 9_000, 250_000))
        self.run()

    def spend(self) -> None:
        """The operator pays somebody, and has the offer looked at."""
        amount_sat = self.rng.choice((50_000, 400_000))
        if self.free_sat() > amount_sat + 50_000:
            self.bench.node.withdraw(amount_sat)
        self.run()

    def wait(self) -> None:
        self.bench.node.advance_by(self.rng.choice((600, 3_600, 3 * DAY, 15 * DAY)))

    def restart(self) -> None:
        """lightningd forgets what it offers."""
        self.world.funder = type(self.world.funder)()
        self.offered = False


@pytest.mark.parametrize("seed", range(6))
def test_no_lease_is_a_loss_whatever_happens(template: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(ads_input, "cost_of_capital", lambda *_: RatioRange(0.01, YEARLY_RATIO, 0.10))
    fields: dict[str, Any] = {"dual_fund": True, "lessor_count": 10 * (seed % 2), "seed": seed + 1}
    with open_bench(template, **fields) as bench:
        bench.settings["ads"] = {
            "mode": "act", "max_total_sat": MOST_TOTAL_SAT, "max_peer_sat": MOST_TOTAL_SAT,
            "max_lease_sat": MOST_LEASE_SAT, "min_lease_sat": 500_000,
        }  # fmt: skip
        bench.settings["reserve"] = {"onchain_sat": RESERVE_SAT}
        bench.node.world.feerate_perkw = 1_000
        if seed % 3:
            bench.node.withdraw(4_000_000)
            bench.node.advance_by(1_400)
        lender = Lender(bench, seed)
        lender.run()
        lender.lease()
        for _ in range(STEPS):
            lender.step()
        assert lender.leased_count > 0
        assert len(lender.kinds) > 4
