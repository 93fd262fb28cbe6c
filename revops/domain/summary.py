"""What a command has done, for the person who started it. Returned by `cycle`, rendered by `cli`, stored nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from revops.domain.budget import OpenReservation
from revops.domain.reason import Reason
from revops.domain.record import Books, JobRecord, Report
from revops.domain.snapshot import NodeView


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """What one sync copied. Counts are rows of this run; `channel_count` is the channels that the node lists."""

    taken_at: float
    new_forward_count: int
    changed_forward_count: int
    move_count: int
    event_count: int
    channel_count: int
    closed_channel_count: int
    books: Books | None = None


@dataclass(frozen=True, slots=True)
class RollupSummary:
    """What one rollup summarised and pruned. `pruned_count` is by kind of row ("forwards", "moves", "runs", ...);
    `changed_class_count` channels have another profitability class than before; `given_back_bytes` is how much shorter
    an SQLite file has become.
    """

    taken_at: float
    rolled_up_count: int
    pruned_count: Mapping[str, int] = field(default_factory=dict)
    changed_class_count: int = 0
    given_back_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RebalanceSummary:
    """What `rebalance run` did: each job that it settled or sent, as it stands now.

    `names` gives the name of each channel_id in `jobs`; `reasons` say why the run as a whole sent nothing. `under_way`
    is what stays reserved after it, or, in a dry run, what the next run will have to settle; `waiting_count` is how
    many planned jobs it left for a later one.
    """

    taken_at: float
    jobs: tuple[JobRecord, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    under_way: tuple[OpenReservation, ...] = ()
    waiting_count: int = 0


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The database's schema: `version_before` is None where there was no database. `url` carries no password;
    `warning` says what an upgrade has left for another time.
    """

    url: str
    version_before: str | None
    version: str
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """A migration: the schema that it leads to, and what it brings."""

    version: str
    title: str


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What `db upgrade` would do. `version_before` is None where a database would be made. `size_bytes` is what it
    takes now, `needed_bytes` what an upgrade may take of the disk beside it for a while, at most; `free_bytes` is what
    the disk has, None where it isn't this machine's. `is_rewritten`: the file is written anew, so that it can shrink.
    """

    url: str
    version_before: str | None
    version: str
    steps: tuple[UpgradeStep, ...]
    size_bytes: int
    needed_bytes: int
    free_bytes: int | None
    is_rewritten: bool = False


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """A copy of the database; `removed_count` is how many older ones made way for it."""

    target: str
    size_bytes: int
    removed_count: int = 0


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What `init` learnt of a node before there is a configuration.

    `earned_msat` is what forwards of the last `window_days` earned; `complete` is False where there were more forwards
    than were read, so that it is a lower bound. `textfile_dir` is where node_exporter seems to look, if anywhere.
    """

    rpc_path: str
    view: NodeView
    window_days: int
    earned_msat: int
    forward_count: int
    complete: bool
    textfile_dir: str | None = None
    textfile_dir_writable: bool = False
    version_warning: str | None = None


@dataclass(frozen=True, slots=True)
class InitSummary:
    """What `init` wrote. `database` is None in a dry run, which writes nothing; `text` is the configuration. `seen` is
    None where all was there already: then the node wasn't asked, and nothing was changed.
    """

    config_path: str
    text: str
    seen: FirstLook | None
    database: DatabaseState | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One sum in four places. They are equal, or the books are wrong."""

    name: str
    node_msat: int
    database_msat: int
    report_msat: int
    metrics_msat: int

    @property
    def equal(self) -> bool:
        """Whether all four agree to the msat."""
        return self.node_msat == self.database_msat == self.report_msat == self.metrics_msat


@dataclass(frozen=True, slots=True)
class OperatorDeed:
    """What the demo's operator did by hand: `what` is splice, batch_open or mutual_close; the amount went into the
    channels, or, of a close, was ours in it.
    """

    what: str
    channel_ids: tuple[str, ...]
    amount_msat: int


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo did on its simulated node, and where everything lies."""

    directory: str
    config_path: str
    rpc_path: str
    database_path: str
    metrics_dir: str
    report_path: str
    days: int
    seed: int
    run_count: int
    earned_msat: int
    rebalance_fees_msat: int
    comparisons: tuple[Comparison, ...]
    report: Report
    #: How many attempts at rebalances ended how, by status.
    job_counts: Mapping[str, int] = field(default_factory=dict)
    #: The same with the attempts at one refill counted once, as the last one ended.
    refill_counts: Mapping[str, int] = field(default_factory=dict)
    #: How many of them found no route as cheap as the refill is worth.
    too_dear_count: int = 0
    #: What was done beside the schedule, in order of time, and what its transactions cost.
    deeds: tuple[OperatorDeed, ...] = ()
    chain_msat: int = 0

    @property
    def net_msat(self) -> int:
        """Earned less spent while revops ran."""
        return self.earned_msat - self.rebalance_fees_msat - self.chain_msat
