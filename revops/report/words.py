"""What several pages say in the same words: a fee's step, a pin, a channel's state, and the reason that decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from revops.domain.decision import Outcome
from revops.domain.experiment import Experiment
from revops.domain.reason import Reason, ReasonCode
from revops.domain.record import DecisionRecord
from revops.domain.snapshot import FeePin
from revops.report.amounts import income, instant

#: What became of a decision, in the words of all pages.
OUTCOMES: Final[Mapping[str, str]] = {Outcome.CHANGE: "change", Outcome.DEFER: "put off", Outcome.SKIP: "left alone"}
#: Why a change that was wished doesn't follow. The last of them decides, whatever the strategy found.
_GATES: Final = frozenset(
    {
        ReasonCode.DEAD_BAND,
        ReasonCode.UNPAID,
        ReasonCode.AT_BOUND,
        ReasonCode.MIN_INTERVAL,
        ReasonCode.CHANNEL_CAP,
        ReasonCode.DAILY_CAP,
        ReasonCode.OBSERVE_MODE,
        ReasonCode.RESERVE_LOW,
        ReasonCode.NODE_SYNCING,
        ReasonCode.CLOCK_DOUBTFUL,
        ReasonCode.EXECUTOR_NONE,
    }
)
#: Rails that put another fee in place of the strategy's. The step limit only shortens the way to it.
_RAILS: Final = frozenset(
    {
        ReasonCode.FLOOR,
        ReasonCode.CHAIN_FLOOR,
        ReasonCode.REFILL_FLOOR,
        ReasonCode.HOLD_FLOOR,
        ReasonCode.CEILING,
        ReasonCode.ANCHOR_CEILING,
        ReasonCode.ZERO_FLOW_HOLD,
        ReasonCode.ZERO_FLOW_DROP,
        ReasonCode.ZERO_FLOW_WORTH,
        ReasonCode.OUT_OF_BOUNDS,
    }
)
#: What is sent where the fee rate stays.
_BESIDE_THE_RATE: Final = frozenset(
    {ReasonCode.BASE_FEE, ReasonCode.HTLC_MAX, ReasonCode.HTLC_MAX_UNFIT, ReasonCode.HTLC_MAX_OVERSIZED}
)
_STATES: Final = {"CHANNELD_NORMAL": "normal", "CHANNELD_AWAITING_SPLICE": "splicing"}


def deciding(outcome: str, reasons: Sequence[Reason], *, same_ppm: bool = False) -> Reason | None:
    """Given a decision's outcome, its reasons, and whether its fee rate stays, return the reason that decided; None
    where it has none. That nothing is sent in observe mode decides nothing, where there are others.
    """
    shown = told(reasons)
    groups = [_RAILS]
    if outcome != Outcome.CHANGE:
        groups.insert(0, _GATES)
    if same_ppm and (outcome == Outcome.CHANGE or len(shown) < len(reasons)):
        groups.insert(0, _BESIDE_THE_RATE)
    for group in groups:
        for reason in reversed(shown):
            if reason.code in group:
                return reason
    return shown[0] if shown else None


def shortened(outcome: str, reasons: Sequence[Reason], *, same_ppm: bool = False) -> str:
    """As `deciding`, as a sentence, with how many more reasons there are."""
    reason = deciding(outcome, reasons, same_ppm=same_ppm)
    if reason is None:
        return ""
    more = len(told(reasons)) - 1
    return f"{reason.sentence} (+{more})" if more else reason.sentence


def told(reasons: Sequence[Reason]) -> Sequence[Reason]:
    """All but observe mode, which is the same on all rows, unless it stands alone."""
    return reasons[:-1] if len(reasons) > 1 and reasons[-1].code is ReasonCode.OBSERVE_MODE else reasons


def fee_step(outcome: str, old_ppm: int, new_ppm: int) -> str:
    """Given a fee decision's outcome and its fees, return what becomes of the fee."""
    if old_ppm == new_ppm:
        return f"{old_ppm:,} ppm"
    if outcome == Outcome.CHANGE:
        return f"{old_ppm:,} -> {new_ppm:,} ppm"
    return f"{old_ppm:,} ppm ({new_ppm:,} wanted)"


def amount_moved(decision: DecisionRecord) -> str:
    """Given a decision, return the amount that it is about, of a splice also whether in or out; "" where it is about
    none.
    """
    direction = decision.details.get("direction")
    if not decision.amount_msat:
        return ""
    return f"{income(decision.amount_msat)} sat" + (f" {direction}" if direction else "")


def pinned(pin: FeePin) -> str:
    """Given a pin, return what the operator has set, and until when."""
    return f"pinned by hand at {pin.ppm:,} ppm on {instant(pin.set_at)}, {pin_end(pin)}"


def pin_end(pin: FeePin) -> str:
    """Given a pin, return until when it holds, and whether by force."""
    until = "until it is released" if pin.until_at is None else f"until {instant(pin.until_at)}"
    return f"{until}, by force" if pin.forced else until


def state_word(state: str) -> str:
    """Given a channel's state as the node calls it, return a word for people."""
    return _STATES.get(state, state.lower())


def by_turns(one: Experiment | None, now: float) -> str | None:
    """Given the experiment that runs, and the time, say that it prices channels; None where it doesn't."""
    if one is None or not one.started_at <= now < one.ends_at:
        return None
    return (
        f"experiment {one.experiment_key} runs until {instant(one.ends_at)}: {one.a} (A) and {one.b} (B) price by "
        "turns; `revops experiment status` shows whose it is"
    )
