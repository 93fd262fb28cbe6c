"""`revops simulate`."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from revops.cli.options import NamedPath, common, refuse_node_options
from revops.cli.output import Output, write_file
from revops.cli.program import called
from revops.cli.simulate_names import NamingCommand
from revops.domain.options import CommonOptions
from revops.domain.text import counted
from revops.errors import OutputError
from revops.report.blocks import Block, Line

if TYPE_CHECKING:
    from revops.cycle.simulate import Simulation
    from revops.sim.arena.figures import Figures


class Days(click.FloatRange):
    """A length of time on the line: a finite number of days."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Given the text, return the days; fail for anything but a number within the bounds."""
        days = super().convert(value, param, ctx)
        if math.isnan(days):
            self.fail(f"{value!r} is not a number of days.", param, ctx)
        return days


#: Of what --like-my-node has none.
_LIKE_NOTHING = (
    "set_name",
    "families",
    "policies",
    "check",
    "page_path",
    "save_path",
    "from_path",
    "profile",
    "full_cycles",
    "rebalance",
    "freeze",
)
_new_file = NamedPath(dir_okay=False, path_type=Path)


@click.command("simulate", cls=NamingCommand)
@click.option(
    "--set", "set_name", type=click.Choice(["small", "tuning", "former", "judged"]), show_default="small",
    help="small: a first look; tuning, former: what the product is tuned on; judged: what it is judged on, in an hour.",
)  # fmt: skip
@click.option(
    "--like-my-node", is_flag=True,
    help="In markets like this node, as far as its records tell. Reads the database only.",
)  # fmt: skip
@click.option(
    "--seeds", "seed_count", type=click.IntRange(1, 1_000), metavar="N",
    help="Worlds of each family. Default: small 2, tuning 10, former 3, judged 3; with --like-my-node: 8 markets.",
)  # fmt: skip
@click.option(
    "--days", type=Days(1, 365), metavar="N",
    help="Virtual days of each world. Default: small 2, tuning, former and judged 90; with --like-my-node: 30.",
)  # fmt: skip
@click.option(
    "--family", "families", multiple=True, metavar="NAME", help="Only this family of demand (see below); repeatable.",
)  # fmt: skip
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME",
    help="Only this fee policy (see below); repeatable. The first is held against the others.",
)  # fmt: skip
@click.option("--jobs", "process_count", type=click.IntRange(1, 1_024), metavar="N", help="Processes. Default: cores.")
@click.option("--check", is_flag=True, help="Null test: two copies of the first policy (demand), one made 5 % worse.")
@click.option("--page", "page_path", type=_new_file, metavar="FILE", help="Write a page with plots: one HTML file.")
@click.option("--save", "save_path", type=_new_file, metavar="FILE", help="Store the result, to show it again.")
@click.option(
    "--from", "from_path", type=NamedPath(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Show a stored result; run nothing.",
)  # fmt: skip
@click.option(
    "--full-cycles", is_flag=True,
    help="Run the product's own strategies as cron runs them, on a simulated node. Slow; the others only decide.",
)  # fmt: skip
@click.option(
    "--rebalance", is_flag=True, help="Run each of the product's own strategies once more, now rebalancing too.",
)  # fmt: skip
@click.option("--profile", is_flag=True, help="Say where the time went; with --full-cycles, that of a cycle.")
@click.option("--freeze", is_flag=True, hidden=True, help="Developers: freeze the judged worlds anew, as they are now.")
@common
def simulate(
    options: CommonOptions,
    page_path: Path | None,
    save_path: Path | None,
    from_path: Path | None,
    process_count: int | None,
    profile: bool,
    freeze: bool,
    like_my_node: bool,
    **question: Any,
) -> None:
    """Compare fee policies in simulated markets, where the best fees in hindsight are known.

    Every policy meets the same customers. Shares are of what the best constant fees in hindsight make; intervals are of
    95 %. Only what comes of the judged set may be quoted: its worlds are frozen, and nothing was tuned on them.
    """
    if like_my_node:
        _simulate_like(options, process_count, question)
        return
    _refuse_what_has_no_meaning(options, from_path, question)
    _make_sure_of(page_path, save_path)
    question["set_name"] = question["set_name"] or "small"
    from revops.cycle import simulate as cycle
    from revops.cycle import studies

    output = Output(options)
    if freeze:
        with output.working() as told:
            frozen = cycle.freeze(process_count=process_count, progress=told.progress)
        output.blocks([Line(f"frozen: {sum(map(len, frozen.worlds.values()))} worlds, sha256 {frozen.hash}")])
        return
    subject = _subject(question)
    if from_path is not None:
        found = cycle.Simulation(studies.load(from_path, subject))
    else:
        with output.working() as told:
            found = cycle.run(cycle.Question(**question), process_count=process_count, progress=told.progress)
    if save_path is not None:
        studies.save(save_path, found.study)
        again = f"{called()} simulate --from {shlex.quote(str(save_path))}"
        output.message(f"{counted(found.study.world_count, 'world')} stored in {save_path}; `{again}` shows them again")
    _show(output, found, page_path, subject=subject, profile=profile)


def _subject(question: dict[str, Any]) -> str | None:
    """Which policy is held against the others: the first that was named, rebalancing where it may; None: any."""
    from revops.sim.arena.policies import REBALANCING, STRATEGIES

    named = next(iter(question["policies"]), None)
    return f"{named}{REBALANCING}" if question["rebalance"] and named in STRATEGIES else named


def _simulate_like(options: CommonOptions, process_count: int | None, question: dict[str, Any]) -> None:
    """Markets of the node's own."""
    context = click.get_current_context()
    for name in _LIKE_NOTHING:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = next(one for one in context.command.params if one.name == name)
            raise click.UsageError(f"{option.opts[0]} has no meaning with --like-my-node")
    from revops.cycle import simulate_like as cycle
    from revops.report.likeness import likeness

    output = Output(options)
    with output.working() as told:
        found = cycle.run(told, question["seed_count"], question["days"], process_count)
    output.product("simulate", found, lambda: likeness(found))


def _show(output: Output, found: Simulation, page_path: Path | None, *, subject: str | None, profile: bool) -> None:
    from revops.report.plain import plain
    from revops.sim.arena.figures import figures_of
    from revops.sim.arena.outcome import to_document

    figures = figures_of(found.study, subject)
    if page_path is not None:
        from revops.sim.arena.page import page

        write_file(page_path, page(found.study, figures))
        output.message(f"page written: {page_path}")
    seconds = {"seconds": found.seconds, "elapsed_seconds": found.elapsed_seconds} if profile else {}
    if profile and found.cycles:
        seconds["cycles"] = plain(found.cycles)
    value = {**to_document(found.study), "figures": plain(figures), **seconds}
    output.product("simulate", value, lambda: _blocks(found, figures, profile=profile))


def _blocks(found: Simulation, figures: Figures, *, profile: bool) -> Iterator[Block]:
    from revops.sim.arena import tables

    yield from tables.blocks(found.study, figures)
    if profile and found.elapsed_seconds is not None:
        yield tables.profile_table(found.seconds, found.elapsed_seconds)
        if found.cycles:
            yield tables.cycle_table(found.cycles)


def _refuse_what_has_no_meaning(options: CommonOptions, from_path: Path | None, question: dict[str, Any]) -> None:
    refuse_node_options(options, "no node is looked at, and nothing is recorded")
    if from_path is not None:
        kept = ("set_name", "seed_count", "days", "families", "check", "full_cycles", "rebalance")
        if any(question[name] for name in kept):
            raise click.UsageError(
                "--from shows what is stored: it takes no --set, --seeds, --days, --family, --check, --full-cycles, "
                "--rebalance"
            )
    if question["check"] and question["full_cycles"]:
        raise click.UsageError("--check takes no --full-cycles: its copies only decide, which comes to the same fees")


def _make_sure_of(page_path: Path | None, save_path: Path | None) -> None:
    """Raise before hours are spent where what comes of them could not be written."""
    for path in (page_path, save_path):
        if path is not None and not path.absolute().parent.is_dir():
            raise OutputError(f"{path}: there is no folder {path.absolute().parent}")
        if path is not None and not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise OutputError(f"{path}: it can't be written")
    if page_path is not None and save_path is not None and page_path.resolve() == save_path.resolve():
        raise click.UsageError("--page and --save name the same file")
    if page_path is not None and find_spec("matplotlib") is None:
        raise click.UsageError("--page needs matplotlib: pip install '.[html]' in the checkout of revops")
