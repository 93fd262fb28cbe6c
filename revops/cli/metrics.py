"""`revops metrics`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common, refuse_node_options
from revops.cli.output import Output, stream
from revops.domain.options import CommonOptions
from revops.report import metrics_list

_NO_NODE = "it is the same for every node"


@click.group("metrics", cls=LazyGroup)
def metrics() -> None:
    """What revops shows to Prometheus: the metrics, a Grafana dashboard, and alert rules."""


@metrics.command("list", cls=Command)
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@click.option("--markdown", "as_markdown", is_flag=True, help="As the page of the documentation.")
@common
def list_(options: CommonOptions, *, as_csv: bool, as_markdown: bool) -> None:
    """Every metric with its type, its labels and what it is."""
    from revops.cycle.catalogue import catalogue

    refuse_node_options(options, _NO_NODE)
    if options.json + as_csv + as_markdown > 1:
        raise click.UsageError("--json, --csv and --markdown exclude each other")
    found = catalogue()
    if as_csv:
        stream(metrics_list.csv(found))
    elif as_markdown:
        stream(metrics_list.markdown(found))
    else:
        Output(options).product("metrics list", found, lambda: metrics_list.listed(found))


@metrics.command("dashboard", cls=Command)
@common
def dashboard(options: CommonOptions) -> None:
    """The Grafana dashboard as JSON: `revops metrics dashboard > revops.json`, then Dashboards, New, Import."""
    _print(options, "dashboard")


@metrics.command("rules", cls=Command)
@common
def rules(options: CommonOptions) -> None:
    """Alert rules for Prometheus: `revops metrics rules > FILE`, then name FILE under rule_files."""
    _print(options, "rules")


def _print(options: CommonOptions, name: str) -> None:
    from revops.cycle.catalogue import shared

    refuse_node_options(options, _NO_NODE)
    if options.json:
        raise click.UsageError("--json has no meaning here: the file is printed as it is")
    stream((shared(name),))
