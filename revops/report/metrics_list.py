"""The catalogue of metrics: as a table, as CSV, and as the page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.metric import Definition, MetricsList, Place
from revops.report.blocks import Block, Line, Table
from revops.report.csv_text import csv_texts

_WHERE = {Place.NODE: "the node's file, revops_NODE.prom", Place.COMMAND: "each command's own file"}
_HEAD = """# Metrics

Made by `revops metrics list --markdown`; a test holds it equal to that.

`revops` writes `.prom` files into `metrics.textfile_dir`, where node_exporter's textfile collector finds them: one with
the state of the node, and one for each command with its own last run. Amounts are in msat, a thousandth of a sat.
Counters are sums from the database: no restart and no retention lowers them. A channel that is closed and a peer that
is gone have no series any more; what isn't known has none either, and is never shown as 0.

Only `revops_channel_info` has an alias. To name a channel in a query:

    revops_channel_fee_ppm * on (instance, node, channel) group_left (alias) revops_channel_info
"""
_HEADINGS = ("name", "type", "labels", "file", "help")


def listed(found: MetricsList) -> Iterator[Block]:
    """Given the catalogue, render a row for each family, and what the labels hold."""
    rows = tuple((one.name, str(one.kind), ", ".join(one.labels), one.help) for one in found.definitions)
    yield Table("", ("metric", "type", "labels", "what it is"), rows)
    yield Line("")
    yield Table("Labels", ("label", "what it holds"), found.labels)


def csv(found: MetricsList) -> Iterator[str]:
    """Given the catalogue, yield it as CSV."""
    rows = ((one.name, str(one.kind), " ".join(one.labels), str(one.place), one.help) for one in found.definitions)
    return csv_texts(_HEADINGS, rows)


def markdown(found: MetricsList) -> Iterator[str]:
    """Given the catalogue, yield the page of the documentation."""
    yield _HEAD
    for place in Place:
        yield f"\n## In {_WHERE[place]}\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n"
        yield from (_row(one) for one in found.definitions if one.place is place)
    yield "\n## Labels\n\n| label | what it holds |\n|---|---|\n"
    yield from (f"| `{name}` | {_cell(text)} |\n" for name, text in found.labels)


def _row(one: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{one.name}` | {one.kind} | {labels} | {_cell(one.help)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
