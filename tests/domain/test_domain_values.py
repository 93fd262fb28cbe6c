"""What the values say of themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.domain.channel import LIVE_STATES
from revops.domain.decision import BudgetVerdict, FeePlan, Outcome, RebalancePlan, WindowBudget
from revops.domain.forward import FORWARD_STATUS_OF, ForwardStatus
from revops.domain.node import Wallet, WalletOutput
from revops.domain.options import CommonOptions
from revops.domain.payment import Payment, PaymentStatus
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.record import Books, Report, Totals
from revops.domain.summary import Comparison, DemoSummary, RebalanceSummary, RollupSummary
from tests.builders import NOW, make_channel, make_climb, make_fee_snapshot, make_rebalance_snapshot, make_view
from tests.planning import planned


@pytest.mark.parametrize(
    ("state", "connected", "live", "usable"),
    [
        ("CHANNELD_NORMAL", True, True, True),
        ("CHANNELD_NORMAL", False, True, False),
        ("CHANNELD_AWAITING_SPLICE", True, True, True),
        ("CHANNELD_AWAITING_LOCKIN", True, False, False),
        ("ONCHAIN", False, False, False),
    ],
)
def test_a_channel_is_live_in_its_state_and_usable_when_connected(
    state: str, connected: bool, live: bool, usable: bool
) -> None:
    channel = make_channel(state=state, connected=connected)
    assert (channel.live, channel.usable) == (live, usable)
    assert live is (state in LIVE_STATES)


def test_a_channel_is_called_by_the_best_name_that_it_has() -> None:
    channel = make_channel()
    assert channel.name == channel.scid
    assert make_channel(scid=None).name == channel.alias_local
    assert make_channel(scid=None, alias_local=None).name == channel.channel_id


def test_our_share_of_a_channel_without_capacity_is_none() -> None:
    assert make_channel(capacity_msat=400, local_msat=100).local_ratio == 0.25
    assert make_channel(capacity_msat=0, local_msat=0).local_ratio == 0.0


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        make_channel().state = "ONCHAIN"  # type: ignore[misc]


def test_only_usable_channels_count_as_spendable() -> None:
    channels = (make_channel(1), make_channel(2, connected=False), make_channel(3, state="ONCHAIN"), make_channel(4))
    view = make_view(*channels)
    assert view.spendable_msat == channels[0].spendable_msat + channels[3].spendable_msat
    assert make_view(channels=()).spendable_msat == 0


def test_only_confirmed_unreserved_outputs_count_as_spendable() -> None:
    outputs = (
        WalletOutput("a:0", 1, "confirmed", reserved=False),
        WalletOutput("a:1", 20, "confirmed", reserved=True),
        WalletOutput("a:2", 300, "unconfirmed", reserved=False),
        WalletOutput("a:3", 4_000, "immature", reserved=False),
        WalletOutput("a:4", 50_000, "confirmed", reserved=False),
    )
    assert Wallet(outputs).spendable_msat == 50_001


def test_a_forward_is_final_unless_it_is_offered() -> None:
    assert [status for status in ForwardStatus if not status.final] == [ForwardStatus.OFFERED]
    assert set(FORWARD_STATUS_OF.values()) == set(ForwardStatus)
    assert all(FORWARD_STATUS_OF[status.name.lower()] is status for status in ForwardStatus)
    assert {status.name: int(status) for status in ForwardStatus} == {
        "OFFERED": 0,
        "SETTLED": 1,
        "LOCAL_FAILED": 2,
        "FAILED": 3,
    }


@pytest.mark.parametrize(("amount_msat", "fee_msat"), [(1_000, 5), (None, None), (0, 1_005)])
def test_a_payments_fee_is_known_where_its_amount_is(amount_msat: int | None, fee_msat: int | None) -> None:
    payment = Payment("aa" * 32, PaymentStatus.COMPLETE, amount_msat, 1_005, None, 1, 2)
    assert payment.fee_msat == fee_msat


@pytest.mark.parametrize(("opening_msat", "difference_msat"), [(None, None), (400, 0), (390, 10), (500, -100)])
def test_the_books_differ_only_where_there_is_an_opening_row(
    opening_msat: int | None, difference_msat: int | None
) -> None:
    assert Books(1_000, 600, opening_msat, NOW).difference_msat == difference_msat


def test_net_is_what_was_earned_less_what_was_spent() -> None:
    assert Totals(10, 0, 0, 0, 0, 25, 0, 0).net_msat == -15


@given(limit=st.integers(0, 10**12), spent=st.integers(0, 10**12), reserved=st.integers(0, 10**12))
def test_what_is_left_of_a_window_is_exact_and_never_negative(limit: int, spent: int, reserved: int) -> None:
    left = WindowBudget("day", limit, spent, reserved).left_msat
    assert left >= 0
    assert left == limit - spent - reserved or (left == 0 and spent + reserved >= limit)


def test_a_verdict_leaves_the_smaller_window_and_nothing_while_suspended() -> None:
    day, week = WindowBudget("day", 100, 10, 5), WindowBudget("week", 300, 200, 5)
    assert BudgetVerdict(NOW, day, week).left_msat == 85
    assert BudgetVerdict(NOW, WindowBudget("day", 100, 0, 0), week).left_msat == 95
    assert BudgetVerdict(NOW, day, week, (why(ReasonCode.OBSERVE_MODE),)).left_msat == 0


def test_plans_say_what_is_to_be_done() -> None:
    fee_plan = decide_fees(make_fee_snapshot(), make_climb())
    assert fee_plan.changes == fee_plan.decisions
    assert FeePlan(NOW, ()).changes == ()
    rebalance_plan = planned(make_rebalance_snapshot(), RebalanceConfig(min_return_ratio=0.0))
    assert [decision.outcome for decision in rebalance_plan.decisions] == [Outcome.CHANGE, Outcome.SKIP]
    assert rebalance_plan.jobs == rebalance_plan.decisions[:1]
    assert RebalancePlan(NOW, NOW, ()).jobs == ()


def test_progress_goes_nowhere_unless_somebody_wants_it() -> None:
    heard: list[str] = []
    options = CommonOptions(progress=lambda label, _done, _total: heard.append(label))
    CommonOptions().progress("reading", 1, None)
    options.progress("writing", 1, 2)
    assert heard == ["writing"]
    assert options == CommonOptions()


def test_summaries_start_empty_and_share_nothing() -> None:
    assert RollupSummary(NOW, 0).pruned_count == {}
    assert RebalanceSummary(NOW, ()).names == {}
    assert RollupSummary(NOW, 0).pruned_count is not RollupSummary(NOW, 0).pruned_count


@pytest.mark.parametrize(
    ("node_msat", "database_msat", "report_msat", "metrics_msat", "equal"),
    [(7, 7, 7, 7, True), (8, 7, 7, 7, False), (7, 8, 7, 7, False), (7, 7, 8, 7, False), (7, 7, 7, 8, False)],
)
def test_sums_are_equal_where_all_four_agree(
    node_msat: int, database_msat: int, report_msat: int, metrics_msat: int, equal: bool
) -> None:
    assert Comparison("fees", node_msat, database_msat, report_msat, metrics_msat).equal is equal


def test_a_demo_that_spends_more_than_it_earns_says_so() -> None:
    nothing = Totals(0, 0, 0, 0, 0, 0, 0, 0)
    verdict = BudgetVerdict(NOW, WindowBudget("day", 0, 0, 0), WindowBudget("week", 0, 0, 0))
    report = Report(NOW, None, 7, "02", "", "v", "regtest", 1, 0, nothing, nothing, None, verdict, (), (), ())
    demo = DemoSummary("d", "c", "r", "b", "m", "t", 30, 1, 12, 1_000, 1_500, (), report)
    assert demo.net_msat == -500
