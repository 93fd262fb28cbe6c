"""`revops docs`: the pages that travel with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from revops.cli.options import Command, common, refuse_node_options
from revops.cli.output import Output, stream
from revops.domain.options import CommonOptions
from revops.report.blocks import Blocks, Line, Table

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def share() -> Path:
    """Return the folder of what comes with revops beside its code."""
    return Path(str(files("revops"))) / "share"


def topics() -> dict[str, Path]:
    """Return the pages by topic, in alphabetical order."""
    return {page.stem: page for page in sorted((share() / "docs").glob("*.md"))}


def title(page: Path) -> str:
    """Given a page, return its heading."""
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _named(context: click.Context, parameter: click.Parameter, topic: str | None) -> str | None:
    if topic is not None and topic not in topics():
        raise click.BadParameter(f"there is no page {topic!r}, but: {', '.join(topics())}.", context, parameter)
    return topic


def _completed(_context: click.Context, _parameter: click.Parameter, beginning: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(topic, help=title(page)) for topic, page in topics().items() if topic.startswith(beginning)]


@click.command("docs", cls=Command)
@click.argument("topic", required=False, callback=_named, shell_complete=_completed)
@click.option("--path", "as_path", is_flag=True, help="Print where the page lies, or all of them, instead.")
@common
def docs(options: CommonOptions, topic: str | None, *, as_path: bool) -> None:
    """Print a page of the documentation (Markdown); without TOPIC, say which there are, and where they lie.

    So for fees: `revops docs fees | less`. Beside the pages lie the man page and completions for bash, zsh and fish.
    """
    refuse_node_options(options, "the pages are the same for every node")
    output = Output(options)
    if topic is None and as_path:
        output.write(str(share() / "docs"))
        return
    if topic is None:
        found = [{"topic": name, "title": title(page), "path": str(page)} for name, page in topics().items()]
        output.product("docs", {"pages": found, "share_path": str(share())}, _listed)
        return
    page = topics()[topic]
    text = page.read_text(encoding="utf-8")
    if options.json:
        output.product("docs", {"topic": topic, "title": title(page), "path": str(page), "text": text}, tuple)
    elif as_path:
        output.write(str(page))
    else:
        stream((text,))


def _listed() -> Blocks:
    yield Table("", ("topic", "page"), tuple((name, title(page)) for name, page in topics().items()))
    yield Line(f"pages        {share() / 'docs'}")
    yield Line(f"man page     {share() / 'man' / 'revops.1'}")
    yield Line(f"completions  {share() / 'completions'}")
