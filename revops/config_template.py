"""The commented configuration that `revops init` writes, and the effective one that `revops config show` prints.

Keys, types, bounds and defaults come from the structs of `domain/policy.py`; only the sentences stand here. A test
holds that every key has a sentence and that what is written loads.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, get_args

import msgspec

from revops.config_schema import allowed_words, keys_of, sections
from revops.domain.policy import Config, Rule
from revops.domain.text import printable, without_password
from revops.errors import ConfigError

_WIDTH: Final = 110

SECTION_TEXTS: Final[Mapping[str, str]] = {
    "node": "Where lightningd is.",
    "database": "Where the records are. Locks live beside an SQLite file, so that all runs on it meet.",
    "metrics": "Files for the textfile collector of node_exporter.",
    "recorder": "The companion plugin of the node (`revops recorder path`), for metrics that are fresh at once. All"
    " works without it.",
    "fees": "Fee setting: the strategy, and the rails that nothing passes.",
    "rebalance": 'Circular rebalancing. It spends money only in mode = "act", and only within [budget].',
    "splice": "Splices: capacity for channels that earn by it, out of the wallet or of channels that do nothing"
    ' (`revops splice plan`). None is made but in mode = "act", and within daily_sat and weekly_sat.',
    "budget": "What may be spent on routing fees. Nothing, until you name a figure.",
    "reserve": "Funds below which nothing is written to the node, by any command.",
    "ads": "Liquidity of the on-chain wallet that is offered to others for a fee (liquidity ads, `revops ads adjust`),"
    " on nodes with experimental-dual-fund. It binds what is lent for 4,032 blocks, four weeks.",
    "clboss": "For nodes that run the plugin CLBOSS as well. Two tools that set the same fees fight.",
    "retention": "How long single rows are kept, in days. What they add up to is kept for ever.",
    "report": "What `revops report` shows by default.",
    "classes": "How channels are judged (`revops report classes`), and what capital counts as dead (`revops report"
    " dead`). Nothing is ever closed by revops.",
    "ping": "A monitoring service, as healthchecks.io, that notices when cron's runs stop or fail.",
}

KEY_TEXTS: Final[Mapping[str, str]] = {
    "node.rpc_path": "The RPC socket: absolute, and writable for the user that runs revops.",
    "node.name": "What this node is called in metrics. Where several nodes share a database: its alias or the start of"
    " its id, by which pages find it. Empty: node.",
    "node.rpc_timeout_seconds": "A total deadline for one call, however slowly the bytes arrive.",
    "database.url": "sqlite:////absolute/path or postgresql+psycopg://user@host/name. Empty: revops.sqlite3 in"
    " state_dir. Keep a password out of here: PostgreSQL reads ~/.pgpass.",
    "database.state_dir": "Where the lock files live. Empty: beside the SQLite file, or ~/.local/state/revops for"
    " another database. XDG_STATE_HOME is not used: cron doesn't have it.",
    "metrics.textfile_dir": "node_exporter's --collector.textfile.directory. Empty: no .prom files.",
    "recorder.spool_dir": "The folder that the plugin writes to (revops-recorder-spool; by itself revops-recorder in"
    " the node's folder), readable for the user that runs revops. Empty: it isn't read.",
    "fees.mode": '"observe" computes and records what it would do, "act" does it.',
    "fees.strategy": '"demand" learns what customers would pay and asks for the best; "hill_climb" tries prices and'
    ' keeps what earns more per open hour; "proportional" goes by the balance; "static" keeps to fixed_ppm;'
    ' "match_peer" follows what others charge into the peer; "off" leaves fees alone.',
    "fees.min_ppm": "No fee below this is ever sent.",
    "fees.max_ppm": "No fee above this is ever sent.",
    "fees.base_msat": "The base fee of every channel. 0 lets payments be split freely.",
    "fees.start_ppm": "What a new channel asks for where nothing better is known. Strategies that learn begin no lower"
    " than at a quarter of it, and what others charge holds them down only above it: others may lie.",
    "fees.fixed_ppm": "static: the fee.",
    "fees.full_ppm": "proportional: the fee when all liquidity is on our side.",
    "fees.empty_ppm": "proportional: the fee when none is.",
    "fees.match_ratio": "match_peer, and the first fee of a new channel: a multiple of what others charge into the"
    " peer.",
    "fees.chain_floor": "Whether the expected cost of a force-close, at today's feerates, is a floor.",
    "fees.chain_floor_share_ratio": "That floor is at most this share of what others charge into the peer, or of"
    " start_ppm where that isn't known.",
    "fees.refill_floor_ratio": "A channel that was refilled asks at least for what that cost in the last 30 days, times"
    " this. 0: no such floor.",
    "fees.anchor_ceiling_ratio": "hill_climb and demand try nothing above this multiple of what others charge into the"
    " peer, or above twice a price at which some thirty payments of the channel's own have shown a market.",
    "fees.max_step_ratio": "Largest rise of one update, as a share of the fee in force; a cut undoes as much. 1: double"
    " it at most, or halve it. hill_climb goes no further than 0.25 whatever stands here.",
    "fees.min_interval_seconds": "Least time between two updates of one channel: the network needs it to hear of a"
    " price, and we need it to learn from one.",
    "fees.max_channel_updates_per_day": "Updates of one channel in 24 hours.",
    "fees.max_updates_per_day": "Updates of all channels together in 24 hours: gossip costs the network.",
    "fees.dead_band_ppm": "A change smaller than the larger of the two dead bands isn't worth a gossip message.",
    "fees.dead_band_ratio": "The same as a share of the fee in force.",
    "fees.external": 'A fee that somebody else set: "learn" goes on from it, "respect" leaves it alone until'
    ' `revops fees unset`, "overwrite" puts ours back.',
    "fees.congestion": "While more than 80 % of a channel's HTLC slots, or of the value that may be in flight on it,"
    ' are taken: "hold" keeps the fee, "raise" steps it up where payments of substance leave by it. Nothing is learnt'
    " from such a time.",
    "fees.htlc_max": 'The largest payment that we forward over a channel: "keep" leaves it alone, "valve" lets it'
    " follow our balance in four steps, sent along with the fee. It reaches whatever channel has a strategy or a pin."
    " One that is larger than the channel, as a splice out leaves it behind, is put right in either case.",
    "fees.zero_flow_hold_seconds": "Open time without revenue after which a fee isn't raised any more.",
    "fees.zero_flow_drop_seconds": "Open time without revenue after which a fee is lowered.",
    "fees.zero_flow_drop_ratio": "What such a drop leaves of the fee.",
    "rebalance.mode": '"observe" plans and records, "act" pays for it.',
    "rebalance.executor": 'How jobs are executed. "native": one payment over a route asked of the node, at a price that'
    ' is known before; "sling": by the plugin sling (v4.1.3 or later), in pieces over many sources, for which more must'
    ' be reserved than is spent; "auto": natively, or by sling where the node has no router (askrene); "none": plans'
    " only.",
    "rebalance.max_in_flight": "Payments of ours that may be under way at once.",
    "rebalance.max_hung": "Payments that hang, under way for over two minutes (two hours where sling executes), and"
    " don't count for max_in_flight: at most so many, any further one counts. Until their end is known they keep their"
    " channels from other jobs, and their reservation. 0: all count.",
    "rebalance.max_jobs_per_plan": "Jobs in one plan at most, the best ones first.",
    "rebalance.max_sources": "Channels that may pay for one job; they are tried one after the other.",
    "rebalance.max_quotes": "Routes that one plan asks the node for.",
    "rebalance.min_amount_sat": "A smaller rebalance isn't worth its trouble.",
    "rebalance.max_amount_sat": "One rebalance moves at most this.",
    "rebalance.max_fee_ppm": "No route dearer than this is taken, whatever it promises.",
    "rebalance.min_gain_sat": "A job that is expected to gain less isn't worth its trouble.",
    "rebalance.min_return_ratio": "A route may cost what is gained without it, over 1 + this.",
    "rebalance.kelly_fraction": "The part of the Kelly criterion's share of the budget that is staked on one job.",
    "rebalance.low_ratio": "A source keeps this share of its capacity on our side; less where payments refill it.",
    "rebalance.high_ratio": "A target is filled to this share of its capacity at most; more where most of it leaves.",
    "rebalance.horizon_days": "What is bought should be sold within so many days; sales of as many are the forecast.",
    "rebalance.stop_loss_ratio": "Nothing more is bought for a channel where more than this part of what was bought is"
    " left after the horizon.",
    "rebalance.plan_lifetime_seconds": "An older plan isn't executed any more.",
    "rebalance.cooldown_seconds": "After a failure a pair of channels is left alone for this long, doubled with each"
    " further failure.",
    "rebalance.min_uptime_ratio": "Nothing is moved to or from a peer that was connected for less than this share of"
    " the last 24 hours. Times of which nothing is known, and outages of our own, count for nothing. 0: whatever.",
    "rebalance.max_flaps_per_day": "Nothing is moved to or from a peer whose connection was lost more often than this"
    " in the last 24 hours.",
    "rebalance.max_attempts": "Payments tried for one refill, each by another way, before it is given up.",
    "rebalance.wait_seconds": "How long a run waits after its last start, before it leaves the rest to the next.",
    "splice.mode": '"observe" plans and records, "act" lets a plan be executed.',
    "splice.horizon_days": "What a splice brings is reckoned over so many days.",
    "splice.min_amount_sat": "A smaller splice isn't worth a transaction.",
    "splice.max_amount_sat": "One splice moves at most this.",
    "splice.max_growth_ratio": "A channel grows by this share of its capacity at most.",
    "splice.max_feerate_perkw": "The most that a splice may pay on the chain, in sat per 1000 weight: 250 are 1 sat per"
    " virtual byte.",
    "splice.daily_sat": "What splices cost on the chain, in any 24 hours at most. 0: none is made. The limits of"
    " [budget] don't count for them, nor do splices for those.",
    "splice.weekly_sat": "What splices cost on the chain, in any 7 days at most. 0: none is made.",
    "splice.min_exhausted_ratio": "A channel gets more only where nothing of a usual size could leave it on this share"
    " of the days on which its peer was there,",
    "splice.min_refused_count": "and at least so many payments were turned away, in the window_days of [classes].",
    "splice.min_return_ratio": "A splice must bring so much more than it costs, as a share of that: 1 asks for twice"
    " the cost.",
    "splice.max_splices": "Splices that are planned or under way at once.",
    "splice.plan_lifetime_seconds": "An older plan isn't executed any more.",
    "budget.daily_sat": "Routing fees of rebalances in any 24 hours at most. 0: none.",
    "budget.weekly_sat": "Routing fees of rebalances in any 7 days at most. 0: none.",
    "budget.revenue_share_ratio": "Both are also at most this share of what forwards earned: the week of the last 7"
    ' days, the day of the last 24 hours, or of an average day of these 7 where that is more. "none": no such limit.',
    "reserve.onchain_sat": "Confirmed, unreserved funds in the on-chain wallet. You need them to bump the fee of a"
    " force-close.",
    "reserve.offchain_sat": "What the usable channels can send, together.",
    "reserve.resume_ratio": "What was below its reserve must be so much above it before anything is written again: 0.1"
    " is a tenth. Settling what is under way goes on meanwhile.",
    "reserve.exempt": 'Operations that go on below the reserve: "fees", since setting a fee costs nothing.',
    "ads.mode": '"observe" computes and records what it would offer, "act" offers it.',
    "ads.capital": "Which estimate of what capital earns elsewhere in a year a lease must earn: the best one (middle),"
    " or a bound of it.",
    "ads.risk_ratio": "What a lease must earn beyond the cost of its capital and of the later close, as a share of"
    " both.",
    "ads.market_quantile_ratio": "Our price is lifted to what others ask for: 0.5 is their median, 0 the cheapest.",
    "ads.market_most_ratio": "But to so many times our own cost at most.",
    "ads.max_feerate_sat_per_vb": "Nothing is offered while opening a channel costs more than this.",
    "ads.min_lease_sat": "A smaller lease isn't worth its transactions.",
    "ads.max_lease_sat": "What is lent in one channel at most.",
    "ads.max_peer_sat": "What is lent to one peer at most. The node can't tell peers apart when it lends: where one has"
    " as much, nothing is offered to anybody.",
    "ads.max_total_sat": "What is lent to all together at most. 0: nothing is offered, and what was is withdrawn.",
    "ads.dead_band_ratio": "A price that differs from the one in force by less than this share isn't announced.",
    "clboss.unmanage": 'What CLBOSS is told to leave to revops (clboss-unmanage): "lnfee" for peers whose channels it'
    ' prices, "balance" for those that it rebalances, by the commands in mode act. What you have unmanaged yourself'
    " stays. `revops clboss status` shows it, `revops clboss release` gives it back.",
    "retention.forwards_days": "Forwards.",
    "retention.moves_days": "Movements of money.",
    "retention.events_days": "Peers that connected and disconnected.",
    "retention.samples_days": "Samples of balances and feerates.",
    "retention.decisions_days": "Decisions with their reasons.",
    "retention.runs_days": "Runs of commands.",
    "report.window_days": "Days of the window beside the lifetime figures.",
    "classes.window_days": "What a channel brought and cost is added up over so many days.",
    "classes.min_age_days": "A younger channel is new: it isn't judged.",
    "classes.min_open_days": "Nor is one that could forward for fewer days of the window than this, since it or its"
    " peer was away, or it had nothing to send.",
    "classes.profitable_ratio": "Profitable from this return on its capital a year: 0.005 is half a per cent.",
    "classes.underwater_ratio": "Underwater from this loss on its capital a year. Between the two: break-even.",
    "classes.stagnant_days": "Stagnant when nothing went through it in either direction for so many days in which it"
    " could forward.",
    "classes.dead_days": "Dead after so many.",
    "classes.leave_ratio": "A class is left only at this part of the bound at which it is entered, so that a channel on"
    " a bound keeps its class.",
    "classes.hold_days": "Another class takes its place once it has held for so many days.",
    "ping.url": "Is asked for URL/start when a command of the crontab begins, for URL when it has succeeded, for"
    ' URL/EXIT-CODE when it has failed. {command} in it stands for the command ("fees-adjust"), for a check each. It is'
    " a secret: who has it can say that all is well. Empty: none.",
    "ping.timeout_seconds": "How long such a ping may take; whatever becomes of it, the run goes on.",
}


_RULE_EXAMPLE: Final = (
    "# Rules: other settings for some channels. Read from the top; each rule that matches lays its settings over what",
    "# stands so far; one that sets a strategy (or says final = true) ends it. `revops policy show` says what results.",
    '# A rule sets keys of [fees], and rebalance = "both", "source", "target" or "none"; until = 2027-01-31 ends it.',
    "# It matches by scid, channel_id, peer, alias (with * and ?), min_/max_capacity_sat, min_/max_local_ratio,",
    '# min_/max_age_days, min_/max_uptime_ratio, private, opener ("local" or "remote"), and flow ("source", "sink",',
    '# "balanced", "idle"): all that are given must hold.',
    "#",
    "#     [[rule]]",
    '#     name = "drains"',
    '#     match = { flow = ["sink"], min_capacity_sat = 2_000_000 }',
    "#     min_ppm = 150",
    "#",
    "#     [[rule]]",
    '#     name = "friends"',
    '#     match = { alias = ["friend-*"] }',
    '#     strategy = "static"',
    "#     fixed_ppm = 25",
    '#     rebalance = "none"',
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value for this node, and why: the numbers that led to it. `active` False leaves it commented."""

    value: Any
    why: str
    active: bool = True


def render(suggestions: Mapping[str, Suggestion], heading: tuple[str, ...]) -> str:
    """Given suggestions by "section.key" and lines for the top, return the file's text: every key, explained."""
    lines = [f"# {printable(line)}".rstrip() for line in heading]
    for section in sections():
        lines += ["", "", *_comment(SECTION_TEXTS[section]), f"[{section}]"]
        for key, field in keys_of(sections()[section]).items():
            path = f"{section}.{key}"
            default = None if field.required else default_of(path)
            lines += ["", *_entry(path, key, default, suggestions.get(path))]
    return "\n".join([*lines, "", "", *_RULE_EXAMPLE]) + "\n"


def _entry(path: str, key: str, default: Any, suggestion: Suggestion | None) -> Iterator[str]:
    section, _, name = path.partition(".")
    bounds = bounds_of(keys_of(sections()[section])[name].type)
    yield from _comment(KEY_TEXTS[path] + (f" ({bounds})" if bounds else ""))
    if suggestion is None:
        yield f"# {key} = {toml_value(default)}"
        return
    known = "" if default is None or default == suggestion.value else f" Default: {toml_value(default)}."
    yield from _comment(printable(suggestion.why) + known)
    yield f"{'' if suggestion.active else '# '}{key} = {toml_value(suggestion.value)}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def default_of(path: str) -> Any:
    """Given "section.key", return its default. Raise KeyError for an unknown key or one without."""
    section, _, key = path.partition(".")
    field = keys_of(sections()[section])[key]
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    if field.default is msgspec.NODEFAULT:
        raise KeyError(path)
    return field.default


def bounds_of(kind: Any) -> str:
    """Given the type of a key, return what it admits, for a person; "" where anything goes."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.UnionType):  # a number, or a word instead of one
        return " or ".join(map(bounds_of, get_args(kind)))
    words = allowed_words(kind)
    if words:
        return " or ".join(f'"{word}"' for word in words)
    if not isinstance(info, (msgspec.inspect.IntType, msgspec.inspect.FloatType)):
        return ""
    low = f"above {_number(info.gt)}" if info.gt is not None else _number(info.ge)
    high = f"below {_number(info.lt)}" if info.lt is not None else _number(info.le)
    return f"{low} to {high}"


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:g}"


def toml_value(value: Any) -> str:
    """Given a value of the configuration, return it as TOML. Raise ConfigError for text that TOML can't hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _toml_string(value)
    return "[" + ", ".join(toml_value(item) for item in value) + "]"


def _toml_string(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{printable(text)}: not UTF-8, which a configuration file must be") from error
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def effective(config: Config, origins: Mapping[str, str]) -> str:
    """Given a configuration and the origins of its values, return it as TOML, passwords hidden, origins as comments."""
    lines: list[str] = []
    for section, kind in sections().items():
        lines += [f"[{section}]", *_lines_of(section, tuple(keys_of(kind)), config, origins), ""]
    for rule in config.rules:
        lines += ["[[rule]]", *_rule_lines(rule), ""]
    return "\n".join(lines[:-1])


def _rule_lines(rule: Rule) -> Iterator[str]:
    yield f"name = {toml_value(rule.name)}"
    conditions = {key: value for key, value in msgspec.structs.asdict(rule.match).items() if value not in (None, ())}
    if conditions:
        yield "match = { " + ", ".join(f"{key} = {toml_value(value)}" for key, value in conditions.items()) + " }"
    for key, value in rule.settings.items():
        yield f"{key} = {toml_value(value)}"
    if rule.rebalance is not None:
        yield f"rebalance = {toml_value(rule.rebalance)}"
    if rule.until_at is not None:
        yield f"until = {datetime.fromtimestamp(rule.until_at, UTC).isoformat()}"
    yield f"final = {toml_value(rule.final)}"


def _lines_of(section: str, keys: tuple[str, ...], config: Config, origins: Mapping[str, str]) -> Iterator[str]:
    pairs = [(key, f"{key} = {toml_value(shown(section, key, config))}") for key in keys]
    width = max(len(text) for _, text in pairs)
    for key, text in pairs:
        yield f"{text:<{min(width, 60)}}  # {printable(origins.get(f'{section}.{key}', 'default'))}"


def shown(section: str, key: str, config: Config) -> Any:
    """Given a key, return its value in force as it may be shown: without a secret."""
    value = getattr(getattr(config, section), key)
    if (section, key) == ("ping", "url"):
        return "(set)" if value else ""
    return without_password(value) if (section, key) == ("database", "url") else value
