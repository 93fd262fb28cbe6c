"""The page as text: fetches nothing, runs one script of its own, says what `report pnl` says, whoever is in it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from revops.domain.options import no_progress
from revops.domain.price_history import PriceChange, PriceSum
from revops.domain.profit import ProfitLine, SpanProfit
from revops.domain.review import Review
from revops.report.html.page import page
from tests.builders import DAY, NOW, SAT
from tests.report.reviews import (
    make_decision,
    make_history,
    make_line,
    make_profit,
    make_profit_row,
    make_record,
    make_review,
    make_run,
    make_standing,
    make_story,
)

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"' onclick=x '",
    "two\nlines\r\n", "\u202etxt.exe\u2066", "{{ 7 * 7 }}{% raw %}", "]]>--><!--", "&lt;b&gt;&#60;", "a" * 1_000_000,
    "\u0301" * 5_000, "שלום עולם", "\ud800", "javascript:alert(1)", "</title></style><style>*{display:none}",
)  # fmt: skip


class Tags(HTMLParser):
    """All tags with their attributes, and the text that people read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""


def rendered(review: Review) -> str:
    return page(review, no_progress)


def hostile_review() -> Review:
    """Every text that comes from elsewhere is one of somebody who means harm."""
    count = len(HOSTILE)
    profit = make_profit(*(make_profit_row(n + 1, alias=HOSTILE[n]) for n in range(count)))
    standing = make_standing(
        *(make_record(n + 1, alias=HOSTILE[n], connected=n % 2 == 0) for n in range(count)), alias=HOSTILE[1],
        version=HOSTILE[2],
    )  # fmt: skip
    return make_review(
        profit=profit, standing=standing, prices=tuple(make_history(n + 1) for n in range(count)),
        commands=tuple(make_run(f"sync {n}", exit_code=70, message=HOSTILE[n]) for n in range(count)),
        decisions=tuple(make_decision(n + 1, name=HOSTILE[n]) for n in range(count)),
        refills=tuple(make_story(n + 1, target=n + 1) for n in range(count)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> str:
    return rendered(make_review())


@pytest.fixture(scope="module")
def hostile() -> str:
    return rendered(hostile_review())


def test_nothing_is_fetched_and_only_our_own_script_runs(plain: str, hostile: str) -> None:
    for text in (plain, hostile):
        tags = Tags(text)
        assert [tag for tag, _ in tags.tags].count("script") == 1
        assert not {tag for tag, _ in tags.tags} & {"link", "img", "image", "iframe", "object", "embed", "base", "form"}
        assert not re.search(r"@import|url\((?!#)", text)
        for tag, attributes in tags.tags:
            assert not {name for name in attributes if name.startswith("on")}, tag
            assert not attributes.keys() & {"src", "srcset", "action", "formaction", "ping", "background"}, tag
            for name in ("href", "xlink:href"):
                assert str(attributes.get(name, "#")).startswith("#"), tag
        script = text[text.index("<script>") + 8 : text.rindex("</script>")]
        named = "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = next(
            str(given["content"]) for _, given in tags.tags if given.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy == (
            f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '{named}'; base-uri 'none'; "
            "form-action 'none'"
        )


def test_links_lead_to_what_is_there_and_no_id_stands_twice(hostile: str) -> None:
    tags = Tags(hostile).tags
    ids = [given["id"] for _, given in tags if "id" in given]
    assert len(ids) == len(set(ids))
    links = {str(given[name])[1:] for _, given in tags for name in ("href", "xlink:href") if name in given}
    links |= set(re.findall(r"url\(#([^)]+)\)", hostile))
    assert links <= set(ids)


def test_hostile_names_are_text_and_cut(hostile: str) -> None:
    tags = Tags(hostile)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800]", hostile)
    for shown in (
        "\\x1b[2J\\x1b]0;owned\\x07", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
        "\"' onclick=x '", "two\\x0alines\\x0d\\x0a", "\\u202etxt.exe\\u2066", "{{ 7 * 7 }}{% raw %}", "]]>--><!--",
        "&lt;b&gt;&#60;", "a" * 39 + "…", "שלום עולם", "\\ud800", "</title></style><style>*{display:none}",
    ):  # fmt: skip
        assert shown in tags.text, shown
    assert "a" * 301 not in hostile
    assert "\u0301" * 4 not in hostile


def test_a_name_can_be_no_larger_than_its_place(hostile: str) -> None:
    assert len(hostile) < 600_000


def test_it_says_what_pnl_says(plain: str) -> None:
    from revops.report import profit as words
    from revops.report.blocks import Table

    text = Tags(plain).text
    review = make_review()
    node, rows = [block for block in words.by_channel(review.profit) if isinstance(block, Table)]
    assert f"{next(row[1] for row in node.rows if row[0] == 'net')} sat" in text
    section = plain[plain.index('<section id="earnings">') : plain.index('<section id="liquidity">')]
    shown = [
        re.findall(r'<td class="r" data-label="[^"]*">([^<]*)</td>', row)
        for row in re.findall(r"<tr>.*?</tr>", section[section.index("<tbody>") : section.index("</tbody>")], re.DOTALL)
    ]
    headings = [heading.lstrip(">") for heading in rows.headings]
    # A column of which nothing is known or all is 0 stands on this page, and not on that one.
    wanted = {"earned": "0", "sourced": "0", "rebalance costs": "0", "chain costs": "0", "net": "0", "a year": "?"}
    assert shown == [
        [row[headings.index(name)] if name in headings else nothing for name, nothing in wanted.items()]
        for row in rows.rows
    ]


def test_it_says_its_period_and_its_age(plain: str) -> None:
    assert "10 days (UTC), 10 days" not in Tags(plain).text
    text = Tags(plain).text
    assert "2025-06-06 to 2025-06-15, 10 days (UTC)" in text
    assert "Synced 10 min ago (2025-06-15 14:56Z), made 2025-06-15 15:06Z." in text
    assert "Known up to the last sync, 2025-06-15 14:56Z" in text
    assert "Nothing needs attention" in text


def test_all_of_it_stands_there_without_a_script(plain: str) -> None:
    text = Tags(plain).text
    for words in (
        "100 → 125 ppm",
        "1 more",
        "rebalance costs 201, chain costs 23",
        "9 no route",
        "peer 1",
        "left alone",
    ):
        assert words in text, words


def test_charts_take_the_colours_of_the_page_and_keep_text(plain: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", plain, re.DOTALL)
    assert len(drawings) == 5
    for drawing in drawings:
        assert "<text" in drawing
        assert "var(--earned)" in drawing
        assert not re.search(r"#[0-9a-f]{6}[;\"]|font-family: '", drawing), drawing[:200]
    assert "2025-06-06: earned 1,002, spent 223, net 780 sat" in plain


def test_the_same_figures_are_the_same_page(plain: str) -> None:
    assert rendered(make_review()) == plain


def test_a_node_of_which_nothing_is_known_has_a_page_too() -> None:
    nothing = make_profit(make_profit_row(), spans=(), recorded_since_at=None, synced_at=None)
    empty = make_review(
        standing=make_standing(synced_at=None, runs=()), profit=replace(nothing, channels=(), total=ProfitLine()),
        before=None, prices=(), decisions=(), decision_count=0, skips=(), skip_count=0, refills=(), refill_count=0,
        attempts=(), classes={},
    )  # fmt: skip
    text = Tags(rendered(empty)).text
    for words in (
        "Nothing was ever copied from the node", "Nothing is on record for these days", "no forward on record",
        "No rebalance settled", "No decision was taken", "No channel has earned",
    ):  # fmt: skip
        assert words in text, words


def test_a_year_of_losses_is_drawn_too() -> None:
    loss = ProfitLine(rebalance_msat=5 * SAT)
    spans = tuple(SpanProfit(day * DAY, (day + 1) * DAY, loss) for day in range(19_000, 19_800))
    profit = make_profit(spans=spans, since_at=19_000 * DAY, until_at=19_800 * DAY)
    text = Tags(rendered(make_review(profit=profit, before=None))).text
    assert "Month (UTC)" in text


def test_prices_that_nobody_knows_and_prices_far_apart_are_drawn() -> None:
    none = make_history(changes=(PriceChange(NOW - 3 * DAY, None),), sums={}, earned_msat={})
    far = make_history(2, changes=tuple(PriceChange(NOW - DAY * n, ppm) for n, ppm in ((3, 0), (2, 9), (1, 90_000))))
    assert "not on record" in Tags(rendered(make_review(prices=(replace(none, unknown=PriceSum(DAY)), far)))).text


def test_a_large_node_of_two_years_stays_small() -> None:
    numbers = range(1, 501)
    rows = [make_profit_row(n, line=make_line(earned_msat=n * 1_000_000)) for n in reversed(numbers)]
    day = int(NOW // DAY)
    spans = tuple(SpanProfit(at * DAY, (at + 1) * DAY, make_line()) for at in range(day - 729, day + 1))
    profit = make_profit(*rows, spans=spans, since_at=(day - 729) * DAY, until_at=(day + 1) * DAY)
    prices = tuple(
        make_history(
            n, {ppm: PriceSum(DAY, 10, 10, 1) for ppm in range(50, 1_500)},
            changes=tuple(PriceChange((day - 729 + k / 2) * DAY, 100 + k % 977) for k in range(1_458)),
            earned_msat={at: at * SAT for at in range(day - 729, day + 1)},
        )
        for n in range(500, 470, -1)
    )  # fmt: skip
    review = make_review(
        profit=profit, standing=make_standing(*(make_record(n) for n in numbers)), prices=prices,
        decisions=tuple(make_decision(n % 500 + 1) for n in range(300)), decision_count=365_000,
        skips=tuple(make_decision(n % 500 + 1, outcome="skip") for n in range(150)), skip_count=1_000_000,
        refills=tuple(make_story(n, target=n % 500 + 1) for n in range(100)), refill_count=9_000,
    )  # fmt: skip
    text = rendered(review)
    assert len(text.encode()) < 3_000_000
    shown = Tags(text).text
    for words in (
        "all others (470)", "470 smaller channels", "24 more channels", "1,364,550 earlier ones of the period",
        "8,900 earlier ones of the period", "8,940 earlier ones",
    ):  # fmt: skip
        assert words in shown, words
