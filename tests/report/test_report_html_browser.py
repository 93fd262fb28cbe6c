"""The page in a real browser: nothing on its console, nothing asked of a network, nothing beyond its edges, be it light
or dark, wide or narrow; names are text there, and it filters with and without its script.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from revops.domain.options import no_progress
from revops.report.html.page import page
from tests.report.browser import CHROMIUM, Browser, browser
from tests.report.reviews import make_review
from tests.report.test_report_html_page import HOSTILE, hostile_review

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian's package of that name)")

#: Texts of drawings that lie over each other; the first of two neighbours is enough to tell.
OVERLAPS = """
[...document.querySelectorAll("svg")].flatMap((svg) => {
  const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  return texts.flatMap(([name, a], place) => texts.slice(place + 1)
    .filter(([, b]) => a.width && b.width && a.left < b.right - 1 && b.left < a.right - 1
      && a.top < b.bottom - 2 && b.top < a.bottom - 2)
    .map(([other]) => `${name} over ${other}`));
})
"""
#: Texts of drawings that reach beyond the card that they stand in.
CUT = """
[...document.querySelectorAll("svg text")].filter((text) => {
  const a = text.getBoundingClientRect(), b = text.closest(".card").getBoundingClientRect();
  return a.width && (a.left < b.left || a.right > b.right || a.top < b.top || a.bottom > b.bottom);
}).map((text) => text.textContent)
"""
#: Texts whose contrast with what is behind them is below WCAG's 4.5, as far as backgrounds are plain.
PALE = """
(() => {
  const canvas = document.createElement("canvas"), draw = canvas.getContext("2d", {willReadFrequently: true});
  const over = (colors) => {
    draw.clearRect(0, 0, 1, 1);
    for (const color of colors) { draw.fillStyle = color; draw.fillRect(0, 0, 1, 1); }
    return [...draw.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [.2126, .7152, .0722][place], 0);
  const found = new Set();
  for (const one of document.querySelectorAll("body *")) {
    if (one.closest("svg, script") || !one.checkVisibility()) continue;
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const behind = [];
    for (let up = one; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
    const [a, b] = [light(over(behind)), light(over([...behind, getComputedStyle(one).color]))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) found.add(`${one.tagName}.${one.className}: ${ratio.toFixed(2)}`);
  }
  return [...found];
})()
"""
SHOWN = "[...document.querySelectorAll('#decisions tbody tr')].filter((row) => row.checkVisibility()).length"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "plain.html"
    path.write_text(page(make_review(), no_progress), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "hostile.html"
    path.write_text(page(hostile_review(), no_progress), encoding="utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820, 390, 320])
@pytest.mark.parametrize("which", ["plain", "hostile"])
def test_it_opens_alone_and_fits(
    chromium: Browser, request: pytest.FixtureRequest, which: str, width: int, dark: bool
) -> None:
    chromium.open(request.getfixturevalue(which), width=width, dark=dark)
    assert chromium.value("document.readyState") == "complete"
    assert chromium.requests() == []
    assert chromium.complaints() == []
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.value("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    for each in ("for (const one of document.querySelectorAll('details')) one.open = true", "scrollTo(0, 1e6)"):
        chromium.value(each)
    assert chromium.value(OVERLAPS) == []
    assert chromium.value(CUT) == []
    assert chromium.value(PALE) == []
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.requests() == []
    assert chromium.complaints() == []


def test_names_are_text_and_no_elements(chromium: Browser, hostile: Path) -> None:
    chromium.open(hostile)
    assert chromium.value("document.querySelectorAll('script').length") == 1
    assert chromium.value("document.querySelectorAll('img, iframe, object, link, form').length") == 0
    peers = chromium.value("[...document.querySelectorAll('#earnings .peer')].map((one) => one.textContent)")
    assert len(peers) == len(HOSTILE) + 2
    assert {"</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{ 7 * 7 }}{% raw %}"} <= set(peers)
    # One line high each, however many marks are piled upon a letter.
    assert chromium.value("Math.max(...[...document.querySelectorAll('.peer')].map((one) => one.offsetHeight))") < 30


def test_what_a_page_could_do_is_forbidden_to_it(chromium: Browser, plain: Path) -> None:
    """The policy holds: even a script that got in would run nothing and reach nobody."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setblocking(False)
        place = f"http://127.0.0.1:{server.getsockname()[1]}/"
        chromium.open(plain)
        # No iframe: for one, Chromium opens a connection before it asks the policy, and then sends nothing over it.
        source = f"src: '{place}'"
        for tag, what in (("script", "textContent: 'window.ran = 1'"), ("script", source), ("img", source)):
            chromium.value(f"document.body.append(Object.assign(document.createElement('{tag}'), {{{what}}}))")
        assert chromium.value(f"fetch('{place}').then(() => 'reached', () => 'refused')", wait=True) == "refused"
        assert chromium.value("typeof window.ran") == "undefined"
        assert sum("Content Security Policy" in told for told in chromium.complaints()) >= 4
        with pytest.raises(BlockingIOError):
            server.accept()


def test_decisions_are_filtered_by_kind_area_and_words(chromium: Browser, plain: Path) -> None:
    chromium.open(plain)
    assert chromium.value(SHOWN) == 1  # what was changed, first
    chromium.value("document.querySelector('[name=kind]').click()")
    assert chromium.value(SHOWN) == 2
    chromium.value("document.getElementById('a-rebalance').click()")
    assert chromium.value(SHOWN) == 0
    chromium.value("document.getElementById('a-fees').click()")
    chromium.value(
        "(() => { const box = document.getElementById('find'); box.value = '700002X1x0 interval';"
        " box.dispatchEvent(new Event('input')); })()"
    )
    assert chromium.value(SHOWN) == 1
    assert chromium.value("document.getElementById('found').textContent") == "1 of 2 match"
    chromium.value("document.querySelector('a[data-find]').click()")
    assert chromium.value("document.getElementById('find').value") == "700001x1x0"
    assert chromium.value("location.hash") == "#decisions"
    assert chromium.value(SHOWN) == 1
    assert chromium.complaints() == []


def test_without_a_script_all_of_it_is_there_and_kinds_still_filter(chromium: Browser, plain: Path) -> None:
    chromium.open(plain, script=False)
    try:
        root = chromium.call("DOM.getDocument", depth=-1)["root"]["nodeId"]

        def found(selector: str) -> list[int]:
            nodes: list[int] = chromium.call("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"]
            return nodes

        def shown(selector: str) -> int:
            count = 0
            for node in found(selector):
                style = chromium.call("CSS.getComputedStyleForNode", nodeId=node)["computedStyle"]
                count += next(one["value"] for one in style if one["name"] == "display") != "none"
            return count

        chromium.call("CSS.enable")
        assert found("html.js") == []
        assert shown(".search") == 0
        assert len(found("#decisions tbody tr")) == 2
        assert shown("#decisions tbody tr") == 1
        assert len(found("svg")) == 5
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def test_on_paper_all_of_it_is_open(chromium: Browser, plain: Path) -> None:
    chromium.open(plain, width=794)
    chromium.value("dispatchEvent(new Event('beforeprint'))")
    assert chromium.value("document.querySelectorAll('section > details:not([open])').length") == 0
    chromium.call("Emulation.setEmulatedMedia", media="print")
    assert chromium.value("document.documentElement.scrollWidth") <= 794
    assert not chromium.value("document.querySelector('nav').checkVisibility()")
    chromium.call("Emulation.setEmulatedMedia", media="")
    assert len(chromium.call("Page.printToPDF", printBackground=True)["data"]) > 10_000
