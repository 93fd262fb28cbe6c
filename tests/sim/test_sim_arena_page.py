"""The page: opens without a network, says what the tables say, and no name gets out of its cell."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from revops.sim.arena.figures import figures_of
from revops.sim.arena.outcome import Study
from revops.sim.arena.page import page
from tests.sim.studies import make_outcomes, make_study, noisy

HOSTILE = "<script>alert('$x$')</script>&\x1b[2J\u202e"


def shown(study: Study) -> str:
    return page(study, figures_of(study))


@pytest.fixture(scope="module")
def text() -> str:
    shares = {"demand": noisy(0.8, 0.1), "constant": noisy(0.3, 0.1), HOSTILE: noisy(-0.2, 0.3)}
    return shown(make_study(make_outcomes(shares, ("calm", HOSTILE), span_count=2), "ab" * 32))


class Tags(HTMLParser):
    """Counts tags, and keeps every attribute that could lead elsewhere or do something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            if name in {"href", "xlink:href", "src", "srcset", "action"} or name.startswith("on"):
                self.links.append(f"{name}={value}")
            if name == "id":
                self.ids.append(str(value))


def test_nothing_is_fetched_and_nothing_runs(text: str) -> None:
    tags = Tags()
    tags.feed(text)
    assert not {"script", "link", "img", "image", "iframe", "object"} & set(tags.names)
    assert all(re.match(r"(xlink:)?href=#", link) for link in tags.links)
    assert {link.partition("#")[2] for link in tags.links} <= set(tags.ids)
    assert not re.search(r"url\((?!#)|@import", text)
    assert "default-src 'none'" in text


def test_plots_have_ids_of_their_own(text: str) -> None:
    tags = Tags()
    tags.feed(text)
    assert len(tags.ids) == len(set(tags.ids))


def test_hostile_names_stay_names(text: str) -> None:
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(&#x27;$x$&#x27;)&lt;/script&gt;&amp;\\x1b[2J\\u202e" in text


def test_each_plot_is_whole_and_takes_the_colours_of_the_page(text: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 6
    for drawing in drawings:
        ElementTree.fromstring(drawing)  # our own
        assert "var(--ink)" in drawing
        assert "#010203" not in drawing
    assert "prefers-color-scheme: dark" in text


def test_it_says_what_it_is_and_where_who_loses(text: str) -> None:
    for words in (
        "Judged: its worlds are all those of the frozen set", "Learning, days 0 to 30", "Steady state, days 30 to 90",
        "demand family by family: 0 lost of 2", "commit 0123456789ab",
    ):  # fmt: skip
        assert words in text


def test_rows_that_are_alike_are_said_to_be() -> None:
    study = make_study(make_outcomes({"nothing": noisy(0.3, 0.1), "constant": noisy(0.3, 0.1)}))
    assert "The rows of nothing and constant are alike" in shown(study)


def test_the_same_study_is_the_same_page(text: str) -> None:
    one = make_study(make_outcomes({"a": noisy(0.5, 0.1)}, ("calm",), (1, 2)))
    assert shown(one) == shown(one) != text


def test_a_study_of_one_world_has_a_page_too() -> None:
    alone = make_study(make_outcomes({"a": lambda _family, _seed: 0.0}, ("calm",), (1,)), "ab" * 32)
    assert "NOT JUDGED: these worlds are not the frozen ones: x" in shown(replace(alone, strange=("x",)))
    assert "NOT JUDGED: 1 of the 9 frozen worlds only" in shown(replace(alone, frozen_count=9))


def test_full_cycles_are_said_and_what_rebalances_cost() -> None:
    shares = {name: noisy(0.5, 0.1) for name in ("demand", "demand (rebalancing)")}
    study = make_study(make_outcomes(shares))
    assert "Full cycles" not in shown(study)
    full = shown(replace(study, full_cycles=True, rebalance=True))
    assert "<p>Full cycles: demand, as from cron on a simulated node.</p>" in full
    assert "<p>Where it says so rebalances were made too" in full
    assert "paid at a price, by no path" not in full
    assert "paid at a price, by no path" in shown(replace(study, rebalance=True))
    assert "rebalances cost sat" in full
    beside = make_study(make_outcomes(shares | {"constant": noisy(0.3, 0.1)}))
    assert "on a simulated node; the others only decide.</p>" in shown(replace(beside, full_cycles=True))
    assert "rebalances cost sat" not in shown(make_study(make_outcomes({"demand": noisy(0.5, 0.1)})))
