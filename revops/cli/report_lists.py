"""`revops report channels|peers|rebalances|decisions`: pages with a row for each."""

from __future__ import annotations

from functools import partial

import click

from revops.cli.options import Command, common
from revops.cli.rows import ListPage, last_option, row_options
from revops.cli.spans import window_days_option
from revops.domain.options import CommonOptions
from revops.report import channel_list, decision_list, job_stories
from revops.report import peers as peers_page


def _days(window_days: int | None) -> int | None:
    """The window of this page, or else the one that was given before its name: people try both."""
    parent = click.get_current_context().parent
    return window_days if window_days is not None or parent is None else parent.params["window_days"]


@click.command("channels", cls=Command)
@window_days_option
@click.option("--closed", is_flag=True, help="Those that are gone, too.")
@row_options
@common
def channels(options: CommonOptions, window_days: int | None, closed: bool, page: ListPage) -> None:
    """Each channel: what it holds, asks for and earned, how it is judged, and what it earned day by day. Reads the
    database only.

    For example: revops report channels --where 'local_msat<1000000sat' --sort -window.earned_msat
    """
    from revops.cycle import channel_list as cycle

    value = cycle.run(options, _days(window_days), closed=closed)
    page.show(options, "report channels", value, "channels", channel_list.channels)


@click.command("decisions", cls=Command)
@last_option(200)
@row_options
@common
def decisions(options: CommonOptions, count: int, page: ListPage) -> None:
    """What was decided of fees, rebalances, splices and ads, and why: changes, what was put off, and what was left
    alone. Reads the database only.

    For example: revops report decisions --where outcome=change --where 'command=fees adjust'
    """
    from revops.cycle import decision_list as cycle

    value = cycle.run(options, count)
    page.show(options, "report decisions", value, "decisions", decision_list.decisions)


@click.command("peers", cls=Command)
@window_days_option
@row_options
@common
def peers(options: CommonOptions, window_days: int | None, page: ListPage) -> None:
    """How well each peer's payments succeed, how long it holds them, and what it brings. Reads the database only."""
    from revops.cycle import peers as cycle

    value = cycle.run(options, window_days=_days(window_days))
    page.show(options, "report peers", value, "peers", peers_page.peers)


@click.command("rebalances", cls=Command)
@click.option("--job", "job_key", type=click.IntRange(min=1), metavar="N", help="One job with all that is known of it.")
@click.option(
    "--last", "job_count", type=click.IntRange(1, 10_000), default=20, show_default=True, metavar="N",
    help="How many of the latest jobs.",
)  # fmt: skip
@row_options
@common
def rebalances(options: CommonOptions, job_key: int | None, job_count: int, page: ListPage) -> None:
    """What became of rebalance jobs, what they cost, and what of it was sold (what the channel would have lacked
    without it); with -v each step and payment. Reads the database only.
    """
    from revops.cycle import job_stories as cycle

    value = cycle.run(options, job_key, job_count)
    alone = job_key is not None
    each_step = options.verbosity > 0 or alone
    render = partial(job_stories.rebalances, each_step=each_step, alone=alone)
    page.show(options, "report rebalances", value, "stories", render)
