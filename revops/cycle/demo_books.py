"""What a demo proves: the same sums in the node's own books, in the rows, in the report and in the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from revops.domain.reason import ReasonCode
from revops.domain.record import JobRecord, Report
from revops.domain.summary import Comparison
from revops.errors import DataError
from revops.sim.config import SimBooks
from revops.store import books as stored_books
from revops.store import jobs
from revops.store.engine import Database

#: More jobs than any demo makes.
MOST_JOBS: Final = 1_000_000
#: How a job ends for which no route is as cheap as it must be: without having cost anything.
TOO_DEAR: Final = frozenset({ReasonCode.NO_ROUTE, ReasonCode.ROUTE_TOO_DEAR})


def job_counts(database_url: str) -> dict[str, int]:
    """Given the demo's database, return how many rebalance jobs stand in each status."""
    return dict(Counter(job.status for job in _jobs(database_url)))


def refill_counts(database_url: str) -> dict[str, int]:
    """Given the demo's database, return how many refills ended how: several attempts at one count once, as the last."""
    found = _jobs(database_url)
    tried_again = {job.retry_of_key for job in found}
    return dict(Counter(job.status for job in found if job.job_key not in tried_again))


def too_dear_count(database_url: str) -> int:
    """Given the demo's database, return how many rebalance jobs found no route as cheap as the refill is worth."""
    return sum(job.reason is not None and job.reason.code in TOO_DEAR for job in _jobs(database_url))


def _jobs(database_url: str) -> Sequence[JobRecord]:
    with (
        closing(Database.open(database_url, read_only=True)) as database,
        database.read(database.known_nodes()[0].node_key) as tx,
    ):
        return jobs.recent_jobs(tx, MOST_JOBS)


def compare(books: SimBooks, shown: Report, database_url: str, metrics_dir: Path, name: str) -> tuple[Comparison, ...]:
    """Given the simulated node's own books, the report, and where rows and metrics of the node of this name are, return
    the sums that must agree in all four. Raise DataError where the books were never compared with the node's.
    """
    metrics = _metrics_of(metrics_dir / f"revops_{name}.prom", name)
    with (
        closing(Database.open(database_url, read_only=True)) as database,
        database.read(database.known_nodes()[0].node_key) as tx,
    ):
        found = stored_books.books(tx)
        settled = [job for job in jobs.recent_jobs(tx, MOST_JOBS) if job.status == "settled"]
    if found is None or shown.books is None:
        raise DataError("the books were never compared with the node's")
    opening_msat = found.opening_msat or 0
    return (
        Comparison(
            "fees earned",
            books.fees_earned_msat,
            found.recorded_fees_msat + opening_msat,
            shown.lifetime.earned_msat + (shown.books.opening_msat or 0),
            metrics["revops_node_fees_earned_msat_total"] + metrics["revops_books_opening_msat"],
        ),
        Comparison(
            "fees paid for rebalances",
            books.rebalance_fees_msat,
            sum(job.fee_msat or 0 for job in settled),
            shown.lifetime.rebalance_fees_msat,
            metrics["revops_node_rebalance_fees_msat_total"],
        ),
        Comparison(
            "amount rebalanced",
            books.rebalance_amount_msat,
            sum(job.amount_msat for job in settled),
            shown.lifetime.rebalanced_msat,
            metrics["revops_node_rebalanced_msat_total"],
        ),
    )


def _metrics_of(path: Path, node: str) -> dict[str, int]:
    """Given a `.prom` file, return the node's own figures: those with no label but the node's name."""
    figures = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition("{")
        labels, _, value = rest.partition("} ")
        if not line.startswith("#") and labels == f'node="{node}"':
            figures[name] = int(float(value))
    return figures
