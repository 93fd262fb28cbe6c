"""What the operator decides: every key of the configuration file, with its type, bounds and default, once.

These structs are the file's schema (`revops/config.py` reads the TOML into them) and the parameters of the decisions,
so that nothing is declared twice. Unknown keys and wrong types are refused by msgspec; limits that cross each other
by the `__post_init__` of the section that holds them, whose message starts with the key at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]
Sat = Annotated[int, Meta(ge=0, le=2_100_000_000_000_000)]
Msat = Annotated[int, Meta(ge=0, le=4_294_967_295)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[int, Meta(ge=0, le=366 * 86_400)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Mode = Literal["observe", "act"]
ClbossTag = Literal["lnfee", "balance"]
Strategy = Literal["demand", "hill_climb", "proportional", "static", "match_peer", "off"]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: frozen, by keyword, unknown keys refused."""


class NodeConfig(Section, frozen=True, kw_only=True):
    """Where lightningd is."""

    rpc_path: Annotated[str, Meta(min_length=1)]
    name: str = ""
    #: A total deadline for one call, however slowly the bytes arrive.
    rpc_timeout_seconds: Annotated[int, Meta(ge=1, le=600)] = 60


class DatabaseConfig(Section, frozen=True, kw_only=True):
    """Where the records are. Empty: an SQLite file in the state directory."""

    url: str = ""
    #: Locks live here. Empty: beside the SQLite file, or ~/.local/state/revops for another database.
    state_dir: str = ""


class MetricsConfig(Section, frozen=True, kw_only=True):
    """Where node_exporter's textfile collector looks. Empty: no .prom files."""

    textfile_dir: str = ""


class RecorderConfig(Section, frozen=True, kw_only=True):
    """The companion plugin's spool. Empty: it isn't used."""

    spool_dir: str = ""


class FeesConfig(Section, frozen=True, kw_only=True):
    """Fee setting: the strategy, and the rails that nothing passes."""

    mode: Mode = "observe"
    strategy: Strategy = "demand"
    min_ppm: Ppm = 10
    max_ppm: Ppm = 2_500
    base_msat: Msat = 0
    #: What a new channel asks for where nothing better is known.
    start_ppm: Ppm = 200
    #: `static`: the fee.
    fixed_ppm: Ppm = 200
    #: `proportional`: the fee when all liquidity is ours, and when none is.
    full_ppm: Ppm = 10
    empty_ppm: Ppm = 500
    #: `match_peer`, and a new channel's first fee: a multiple of what others charge into the peer.
    match_ratio: Annotated[float, Meta(gt=0, le=10)] = 1.0
    #: Whether the cost of a force-close at today's feerates is a floor, and at most which share of what others charge
    #: into the peer (`start_ppm` where that isn't known).
    chain_floor: bool = True
    chain_floor_share_ratio: Ratio = 0.5
    #: A refilled channel asks at least for what refills cost lately, times this. 0: no such floor.
    refill_floor_ratio: Annotated[float, Meta(ge=0, le=10)] = 1.2
    #: A strategy that tries prices tries none above this multiple of what others charge into the peer, but where its
    #: customers have shown a dearer market (`decide/proven.py`).
    anchor_ceiling_ratio: Annotated[float, Meta(ge=1, le=1_000)] = 5.0
    #: Largest rise of one update, as a share of the fee in force; a cut undoes as much: at 1 a fee is at most doubled,
    #: or halved.
    max_step_ratio: Annotated[float, Meta(gt=0, le=10)] = 1.0
    #: Least time between two updates of one channel: the network needs it to hear of a price, and we to learn from it.
    min_interval_seconds: Annotated[int, Meta(ge=600, le=30 * 86_400)] = 8 * 3_600
    #: Updates of one channel in 24 hours.
    max_channel_updates_per_day: Annotated[int, Meta(ge=1, le=144)] = 2
    #: Updates of all channels together in 24 hours: gossip costs the network.
    max_updates_per_day: Annotated[int, Meta(ge=0, le=100_000)] = 100
    #: A change smaller than the larger of these two isn't worth a gossip message.
    dead_band_ppm: Ppm = 2
    dead_band_ratio: Ratio = 0.03
    #: What becomes of a fee that somebody else set: a new start, left alone, or put back.
    external: Literal["learn", "respect", "overwrite"] = "learn"
    #: What a channel's fee does while its HTLC slots, or the value that may be in flight, are full.
    congestion: Literal["hold", "raise"] = "hold"
    #: Whether the largest HTLC that we forward follows the balance.
    htlc_max: Literal["keep", "valve"] = "keep"
    #: Open time without revenue after which a fee isn't raised any more, and after which it is lowered.
    zero_flow_hold_seconds: Seconds = 24 * 3_600
    zero_flow_drop_seconds: Seconds = 72 * 3_600
    #: What a drop for want of revenue leaves of the fee.
    zero_flow_drop_ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.85

    def __post_init__(self) -> None:
        if self.min_ppm > self.max_ppm:
            raise ValueError(f"min_ppm = {self.min_ppm} is above max_ppm = {self.max_ppm}")
        if self.dead_band_ratio >= self.max_step_ratio:
            raise ValueError(
                f"dead_band_ratio = {self.dead_band_ratio} is not below max_step_ratio = {self.max_step_ratio}"
            )
        if self.zero_flow_hold_seconds > self.zero_flow_drop_seconds:
            raise ValueError("zero_flow_hold_seconds is above zero_flow_drop_seconds")


class RebalanceConfig(Section, frozen=True, kw_only=True):
    """Circular rebalancing."""

    mode: Mode = "observe"
    executor: Literal["auto", "native", "sling", "none"] = "auto"
    #: Payments of ours that may be under way at once.
    max_in_flight: Annotated[int, Meta(ge=1, le=50)] = 2
    #: Payments that may hang beside these without keeping others from being started.
    max_hung: Annotated[int, Meta(ge=0, le=50)] = 4
    max_jobs_per_plan: Annotated[int, Meta(ge=1, le=100)] = 5
    #: Channels that may pay for one job; they are tried one after the other.
    max_sources: Annotated[int, Meta(ge=1, le=20)] = 4
    #: Routes that a plan asks the node for: each takes it a fraction of a second.
    max_quotes: Annotated[int, Meta(ge=0, le=1_000)] = 24
    min_amount_sat: Annotated[int, Meta(ge=1, le=100_000_000)] = 50_000
    max_amount_sat: Annotated[int, Meta(ge=1, le=100_000_000)] = 1_000_000
    #: No route dearer than this is taken, whatever it promises.
    max_fee_ppm: Ppm = 1_000
    #: A job that is expected to bring less than this isn't worth the trouble.
    min_gain_sat: Annotated[int, Meta(ge=0, le=100_000_000)] = 1
    #: It must also bring so much more than the route costs, as a share of that: what liquidity is worth is an estimate.
    min_return_ratio: Annotated[float, Meta(ge=0, le=10)] = 0.3
    #: Which part of the Kelly criterion's share of the budget is staked on one job.
    kelly_fraction: Annotated[float, Meta(gt=0, le=1)] = 0.5
    #: A source is drained to `low_ratio` of its capacity at most, a target filled to `high_ratio`; both move with the
    #: flow, by up to a quarter of the capacity.
    low_ratio: Ratio = 0.35
    high_ratio: Ratio = 0.65
    #: Within so many days what is bought should be sold; realised forwards of as many are what that is judged by.
    horizon_days: Annotated[int, Meta(ge=1, le=90)] = 14
    #: Nothing more is bought for a channel where more than this part of what was bought is left after the horizon.
    stop_loss_ratio: Ratio = 0.5
    plan_lifetime_seconds: Annotated[int, Meta(ge=60, le=86_400)] = 3_600
    #: After a failure a pair of channels is left alone for about this long, doubled with each further one.
    cooldown_seconds: Seconds = 2 * 3_600
    #: A peer takes part only if it was connected for this share of the last 24 hours, and dropped no more often.
    min_uptime_ratio: Ratio = 0.9
    max_flaps_per_day: Annotated[int, Meta(ge=0, le=100_000)] = 12
    #: Payments that are tried for one refill, one after the other, each by another way, before it is given up.
    max_attempts: Annotated[int, Meta(ge=1, le=20)] = 4
    #: How long a run waits for its payments, from the last that it started on, before it leaves them to the next run.
    wait_seconds: Annotated[int, Meta(ge=0, le=600)] = 60

    def __post_init__(self) -> None:
        if self.min_amount_sat > self.max_amount_sat:
            raise ValueError(f"min_amount_sat = {self.min_amount_sat} is above max_amount_sat = {self.max_amount_sat}")
        if self.low_ratio >= self.high_ratio:
            raise ValueError(f"low_ratio = {self.low_ratio} is not below high_ratio = {self.high_ratio}")


class SpliceConfig(Section, frozen=True, kw_only=True):
    """Splices: capacity for channels that earn by it, out of the wallet or of channels that do nothing."""

    mode: Mode = "observe"
    #: What a splice brings is reckoned over so many days.
    horizon_days: Annotated[int, Meta(ge=30, le=366)] = 90
    min_amount_sat: Annotated[int, Meta(ge=10_000, le=10_000_000_000)] = 200_000
    max_amount_sat: Annotated[int, Meta(ge=10_000, le=10_000_000_000)] = 5_000_000
    #: A channel grows by this share of its capacity at most.
    max_growth_ratio: Annotated[float, Meta(gt=0, le=10)] = 1.0
    #: Sat per 1000 weight: 250 are 1 sat per virtual byte.
    max_feerate_perkw: Annotated[int, Meta(ge=253, le=250_000)] = 5_000
    #: What splices may cost on the chain. Nothing, until the operator names a figure. No share of what was earned: a
    #: splice is paid once and returns over `horizon_days`, and `min_return_ratio` says how much it must.
    daily_sat: Sat = 0
    weekly_sat: Sat = 0
    #: A channel's capacity binds where nothing could leave it on this share of the days with its peer there, and at
    #: least so many payments were turned away in the window of [classes].
    min_exhausted_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.2
    min_refused_count: Annotated[int, Meta(ge=1, le=100_000)] = 10
    #: What it brings must be so much more than what it costs, as a share of that.
    min_return_ratio: Annotated[float, Meta(ge=0, le=100)] = 1.0
    #: Planned and under way together.
    max_splices: Annotated[int, Meta(ge=1, le=20)] = 2
    plan_lifetime_seconds: Annotated[int, Meta(ge=60, le=7 * 86_400)] = 6 * 3_600

    def __post_init__(self) -> None:
        if self.min_amount_sat > self.max_amount_sat:
            raise ValueError(f"min_amount_sat = {self.min_amount_sat} is above max_amount_sat = {self.max_amount_sat}")
        if self.daily_sat > self.weekly_sat:
            raise ValueError(f"daily_sat = {self.daily_sat} is above weekly_sat = {self.weekly_sat}")


class BudgetConfig(Section, frozen=True, kw_only=True):
    """What may be spent on routing fees. Nothing, until the operator names a figure."""

    daily_sat: Sat = 0
    weekly_sat: Sat = 0
    #: Both limits are also at most this share of what forwards earned. TOML has no null, and a missing key is the
    #: default: "none" says that no share is set.
    revenue_share_ratio: Annotated[float, Meta(ge=0, le=10)] | Literal["none"] = 0.5

    def __post_init__(self) -> None:
        if self.daily_sat > self.weekly_sat:
            raise ValueError(f"daily_sat = {self.daily_sat} is above weekly_sat = {self.weekly_sat}")


class ReserveConfig(Section, frozen=True, kw_only=True):
    """Funds below which nothing is written to the node. `exempt` can list "fees"."""

    onchain_sat: Sat = 100_000
    offchain_sat: Sat = 0
    #: Once below, writing goes on only at so much above the floor: 0.1 is a tenth.
    resume_ratio: Annotated[float, Meta(ge=0, le=10)] = 0.1
    exempt: tuple[Literal["fees"], ...] = ()


class AdsConfig(Section, frozen=True, kw_only=True):
    """Liquidity that is offered to others for a fee (liquidity ads), on a node with experimental-dual-fund."""

    mode: Mode = "observe"
    #: Which estimate of what capital earns elsewhere a lease must earn.
    capital: Literal["low", "middle", "high"] = "middle"
    #: What it must earn beyond its cost, as a share of that.
    risk_ratio: Annotated[float, Meta(ge=0, le=10)] = 0.25
    #: What others ask for lifts our price: which quantile of it, and to how many times our cost at most.
    market_quantile_ratio: Ratio = 0.5
    market_most_ratio: Annotated[float, Meta(ge=1, le=100)] = 3.0
    #: Above this nothing is offered: opening and closing would eat the lease.
    max_feerate_sat_per_vb: Annotated[int, Meta(ge=1, le=10_000)] = 50
    #: What is lent to one channel at least and at most, to one peer, and in all.
    min_lease_sat: Annotated[int, Meta(ge=10_000, le=2_100_000_000_000_000)] = 500_000
    max_lease_sat: Sat = 2_000_000
    max_peer_sat: Sat = 4_000_000
    max_total_sat: Sat = 10_000_000
    #: A price that is nearer than this to the one in force isn't worth an announcement.
    dead_band_ratio: Ratio = 0.1

    def __post_init__(self) -> None:
        if self.min_lease_sat > self.max_lease_sat:
            raise ValueError(f"min_lease_sat = {self.min_lease_sat} is above max_lease_sat = {self.max_lease_sat}")


class ClbossConfig(Section, frozen=True, kw_only=True):
    """The plugin CLBOSS beside us. It is left alone unless tags are named."""

    #: What CLBOSS is told to leave to us, of peers whose channels we price (lnfee) or rebalance (balance).
    unmanage: tuple[ClbossTag, ...] = ()


class RetentionConfig(Section, frozen=True, kw_only=True):
    """How long raw rows are kept; what they add up to is kept for ever."""

    forwards_days: Annotated[int, Meta(ge=30, le=36_500)] = 120
    moves_days: Annotated[int, Meta(ge=30, le=36_500)] = 400
    events_days: Days = 90
    samples_days: Days = 90
    decisions_days: Days = 180
    runs_days: Days = 60


class ReportConfig(Section, frozen=True, kw_only=True):
    """What `revops report` shows by default."""

    window_days: Days = 7


class PingConfig(Section, frozen=True, kw_only=True):
    """A monitoring service that is told of each run of a command of the crontab. Empty: none is."""

    #: A secret. `{command}` in it stands for the command: "fees-adjust".
    url: str = ""
    timeout_seconds: Annotated[int, Meta(ge=1, le=60)] = 5

    def __post_init__(self) -> None:
        # Never quoted: it is a secret.
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError("url must begin with https:// or http://")


class ClassesConfig(Section, frozen=True, kw_only=True):
    """Profitability classes, and what counts as dead capital."""

    #: What a channel brought and cost is added up over so many days.
    window_days: Annotated[int, Meta(ge=7, le=366)] = 30
    #: A younger channel is new; one that was open for less of the window isn't judged.
    min_age_days: Annotated[int, Meta(ge=14, le=366)] = 30
    min_open_days: Annotated[int, Meta(ge=1, le=366)] = 7
    #: Yearly returns on the capital from which a channel is profitable, and, below 0, underwater.
    profitable_ratio: Annotated[float, Meta(gt=0, le=10)] = 0.005
    underwater_ratio: Annotated[float, Meta(gt=0, le=10)] = 0.005
    #: Days in which it could forward, and nothing went through it in either direction.
    stagnant_days: Annotated[int, Meta(ge=1, le=180)] = 14
    dead_days: Annotated[int, Meta(ge=14, le=180)] = 30
    #: A class is left at this part of the bound at which it was entered, and once another has held for so many days.
    leave_ratio: Annotated[float, Meta(ge=0.1, le=1)] = 0.5
    hold_days: Annotated[int, Meta(ge=0, le=90)] = 7

    def __post_init__(self) -> None:
        if self.min_open_days > self.window_days:
            raise ValueError(f"min_open_days = {self.min_open_days} is above window_days = {self.window_days}")
        if self.stagnant_days >= self.dead_days:
            raise ValueError(f"stagnant_days = {self.stagnant_days} is not below dead_days = {self.dead_days}")


FlowKind = Literal["source", "sink", "balanced", "idle"]
Permission = Literal["both", "source", "target", "none"]
Age = Annotated[float, Meta(ge=0, le=36_500)]


class Match(Section, frozen=True, kw_only=True):
    """Conditions, all of which must hold; one that isn't given always does. What isn't known matches nothing."""

    scid: tuple[str, ...] = ()
    channel_id: tuple[str, ...] = ()
    peer: tuple[str, ...] = ()
    #: Patterns with * and ?, whatever the case. Aliases are chosen by strangers: money should hang on `peer`.
    alias: tuple[str, ...] = ()
    min_capacity_sat: Sat | None = None
    max_capacity_sat: Sat | None = None
    #: Our share of the capacity.
    min_local_ratio: Ratio | None = None
    max_local_ratio: Ratio | None = None
    min_age_days: Age | None = None
    max_age_days: Age | None = None
    private: bool | None = None
    opener: Literal["local", "remote"] | None = None
    #: The share of the last 30 days in which the peer was connected; of the channel's life, or of what is on record,
    #: where that is shorter. Not known where less than half of that is.
    min_uptime_ratio: Ratio | None = None
    max_uptime_ratio: Ratio | None = None
    #: By the forwards of the last 14 days: more comes in by a source, more leaves by a sink.
    flow: tuple[FlowKind, ...] = ()

    def __post_init__(self) -> None:
        for name in ("capacity_sat", "local_ratio", "age_days", "uptime_ratio"):
            low, high = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{name} = {low} is above max_{name} = {high}")


#: Keys of `[fees]` that are the node's, not a channel's.
NODE_WIDE = frozenset({"mode", "max_updates_per_day"})


class Rule(Section, frozen=True, kw_only=True):
    """One rule. `settings` are keys of `[fees]`, checked as there; `until_at` is when it ends (None: never)."""

    name: str
    match: Match
    settings: Mapping[str, Any]
    rebalance: Permission | None = None
    final: bool = False
    until_at: float | None = None


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    node: NodeConfig
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    recorder: RecorderConfig = field(default_factory=RecorderConfig)
    fees: FeesConfig = field(default_factory=FeesConfig)
    rebalance: RebalanceConfig = field(default_factory=RebalanceConfig)
    splice: SpliceConfig = field(default_factory=SpliceConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    reserve: ReserveConfig = field(default_factory=ReserveConfig)
    ads: AdsConfig = field(default_factory=AdsConfig)
    clboss: ClbossConfig = field(default_factory=ClbossConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    classes: ClassesConfig = field(default_factory=ClassesConfig)
    ping: PingConfig = field(default_factory=PingConfig)
    rules: tuple[Rule, ...] = ()
