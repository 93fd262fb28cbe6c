"""`python -m revops.sim.arena`: the table of shares, family by family."""

from __future__ import annotations

import click

from revops.sim.arena.demand import FAMILIES
from revops.sim.arena.score import JUDGED_SEEDS, score_family, table


@click.command()
@click.option("--seeds", default=",".join(map(str, JUDGED_SEEDS)), show_default=True, help="Comma-separated.")
@click.option("--days", default=30.0, show_default=True, help="Length of each world.")
@click.option("--family", "families", multiple=True, type=click.Choice(FAMILIES), help="Only these; default: all.")
def main(seeds: str, days: float, families: tuple[str, ...]) -> None:
    """Print what share of the oracle's income each fee policy takes; in brackets, updates per channel and day."""
    numbers = [int(seed) for seed in seeds.split(",")]
    lines = []
    for family in families or FAMILIES:
        click.echo(family, err=True)
        lines.append(score_family(family, numbers, days))
    click.echo(table(lines))


if __name__ == "__main__":
    main()
