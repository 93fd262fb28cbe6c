"""What is wrong, or looks wrong, with the configuration: the file, and settings that a valid file can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.decide.doctor.findings import faulty, note, ok, warning
from revops.domain.health import ConfigFacts, Finding
from revops.domain.policy import Config

FILE: Final = "config"
MONEY: Final = "config.budget"
FEES: Final = "config.fees"
RESERVE: Final = "config.reserve"
RULES: Final = "config.rules"
CLASSES: Final = "config.classes"
#: A fee above this share of the amount is paid by nobody who has another way: a typing error, mostly.
_LARGE_PPM: Final = 20_000
_WEEK_DAYS: Final = 7


def file(facts: ConfigFacts) -> Iterator[Finding]:
    """Given the configuration file, say whether the commands can use it."""
    for fault in facts.faults:
        yield faulty(FILE, fault, "" if facts.path is None else f"mend it in {facts.path}")
    for text in facts.warnings:
        yield warning(FILE, text, "")
    if facts.overrides:
        yield note(
            FILE,
            f"variables of this shell override the file here, and cron doesn't have them: {', '.join(facts.overrides)}",
            "write into the file what shall hold, and unset them",
        )
    if not facts.faults and facts.path is not None:
        yield ok(FILE, f"{facts.path} is valid")


def settings(config: Config) -> Iterator[Finding]:
    """Given a valid configuration, say what in it contradicts itself or is seldom meant."""
    groups = ((MONEY, _budget), (FEES, _fees), (RESERVE, _reserve), (CLASSES, _classes))
    for check, look in groups:
        found = list(look(config))
        yield from found
        if not found:
            yield ok(check, "nothing stands out")


def unspendable(config: Config) -> Iterator[str]:
    """Given a configuration, say what will never be spent on in spite of mode act, and why."""
    names = ("daily_sat", "weekly_sat", "revenue_share_ratio")
    unset = [f"budget.{name} = 0" for name in names if not getattr(config.budget, name)]
    if config.rebalance.mode == "act" and unset:
        yield f'rebalance.mode is "act", but {" and ".join(unset)}: nothing will ever be spent'
    unset = [f"splice.{name} = 0" for name in names[:2] if not getattr(config.splice, name)]
    if config.splice.mode == "act" and unset:
        yield f'splice.mode is "act", but {" and ".join(unset)}: no splice will ever be made'


def unreachable_classes(config: Config) -> Iterator[str]:
    """Given a configuration, say which profitability classes no channel can ever get."""
    kept_days = config.retention.events_days
    for key, days in (("stagnant_days", config.classes.stagnant_days), ("dead_days", config.classes.dead_days)):
        if days > kept_days:
            yield f"classes.{key} = {days} is above retention.events_days = {kept_days}: no channel will ever be it"


def _budget(config: Config) -> Iterator[Finding]:
    budget, acts = config.budget, config.rebalance.mode == "act"
    for sentence in unspendable(config):
        yield warning(MONEY, sentence, 'name a figure, or set that mode to "observe"')
    if acts and config.rebalance.executor == "none":
        yield warning(
            MONEY, 'rebalance.mode is "act", but rebalance.executor is "none": plans are made, none is executed',
            'set rebalance.executor = "auto", or rebalance.mode = "observe"',
        )  # fmt: skip
    if acts and config.rebalance.max_fee_ppm == 0:
        yield warning(
            MONEY, 'rebalance.mode is "act", but rebalance.max_fee_ppm = 0: no route is that cheap',
            "set rebalance.max_fee_ppm to what a route may cost at most",
        )  # fmt: skip
    if budget.weekly_sat > _WEEK_DAYS * budget.daily_sat > 0:
        yield note(
            MONEY,
            f"budget.weekly_sat = {budget.weekly_sat:,} can't be reached: seven days of budget.daily_sat are "
            f"{_WEEK_DAYS * budget.daily_sat:,} sat",
        )
    if budget.revenue_share_ratio == "none" and budget.daily_sat:
        yield note(
            MONEY,
            'budget.revenue_share_ratio is "none": the budget is spent in weeks that earn nothing, too',
        )
    elif budget.revenue_share_ratio != "none" and budget.revenue_share_ratio > 1:
        yield warning(
            MONEY,
            f"budget.revenue_share_ratio = {budget.revenue_share_ratio:g} lets rebalances cost more than all forwards "
            "earn",
            "set it to 1 at most: 0.5 is half of what forwards earned",
        )


def _fees(config: Config) -> Iterator[Finding]:
    fees = config.fees
    if fees.mode == "act" and fees.max_updates_per_day == 0:
        yield warning(
            FEES, 'fees.mode is "act", but fees.max_updates_per_day = 0: no fee will ever be sent',
            'raise it, or set fees.mode = "observe"',
        )  # fmt: skip
    if fees.min_ppm == 0 and fees.strategy != "off":
        yield note(FEES, "fees.min_ppm = 0: forwards may come to be free")
    if fees.max_ppm > _LARGE_PPM:
        yield warning(
            FEES, f"fees.max_ppm = {fees.max_ppm:,} is {fees.max_ppm / 10_000:g} % of a payment",
            "1 % are 10_000 ppm; few pay more than half of that",
        )  # fmt: skip
    if fees.min_ppm == fees.max_ppm and fees.strategy not in {"static", "off"}:
        yield warning(
            FEES, f"fees.min_ppm and fees.max_ppm are both {fees.min_ppm:,}: the strategy has no room",
            'widen the bounds, or set fees.strategy = "static"',
        )  # fmt: skip
    if fees.mode == "observe":
        yield note(FEES, 'fees.mode is "observe": fees are decided and recorded, none is sent')


def _reserve(config: Config) -> Iterator[Finding]:
    if config.reserve.onchain_sat == 0:
        yield warning(
            RESERVE, "reserve.onchain_sat = 0: nothing is kept in the wallet to bump the fee of a force-close",
            "set it to some 10_000 sat a channel, 100_000 at least",
        )  # fmt: skip
    if config.reserve.offchain_sat == 0:
        yield note(RESERVE, "reserve.offchain_sat = 0: no floor for what the channels can send")
    if config.reserve.exempt:
        yield note(RESERVE, f"reserve.exempt lets {', '.join(config.reserve.exempt)} go on below the reserve")


def _classes(config: Config) -> Iterator[Finding]:
    for sentence in unreachable_classes(config):
        yield warning(CLASSES, sentence, "raise retention.events_days")


def rules(config: Config, now: float) -> Iterator[Finding]:
    """Given a valid configuration and the time, say which of its rules are over."""
    over = [rule.name for rule in config.rules if rule.until_at is not None and rule.until_at <= now]
    if over:
        yield note(RULES, f"over, by their own `until`: {', '.join(over)}", "take them out of the file")
    elif config.rules:
        yield ok(RULES, f"{len(config.rules)} in force; `revops policy show` says what results")
