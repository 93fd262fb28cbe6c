"""README and the pages of `revops/share/docs`: what they name exists, what exists is named, links lead on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import click
import pytest

from revops.cli.docs import topics
from revops.cli.main import cli, main
from revops.config_schema import keys_of, sections
from revops.cycle.catalogue import catalogue
from tests.docs.reference import entries
from tests.docs.regenerate import HOW, ROOT, SHARE, made

README: Final = ROOT / "README.md"
PAGES: Final = (README, *topics().values())
#: Written by hand: what the others say comes from the code itself.
BY_HAND: Final = [page for page in PAGES if page.stem not in {"commands", "settings", "metrics"}]
ENTRIES: Final = {entry.words[1:]: entry for entry in entries()}
#: A command, as opposed to a word that is also the name of one.
COMMAND: Final = re.compile(r"[a-z][a-z-]*")
#: Of other programs.
OTHERS_OPTIONS: Final = frozenset({"--quiet", "--editable", "--now", "--collector"})
PLACES_OF_A_MACHINE: Final = re.compile(r"/(tmp|work|root|dev/shm|home/(?!you/))\b")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def spans(page: Path) -> Iterator[str]:
    """What a page has in code: between backticks, and the lines of indented and fenced blocks that call revops."""
    text = text_of(page)
    for block in re.findall(r"(?ms)^```\w*\n(.*?)^```", text):
        yield from (line for line in block.splitlines() if "revops " in line)
    text = re.sub(r"(?ms)^( *)```.*?^\1```", "", text)
    yield from (line for line in text.splitlines() if line.startswith("    ") and "revops " in line)
    for span in re.findall(r"`([^`]+)`", text):
        yield " ".join(span.split())


def calls(page: Path) -> Iterator[tuple[tuple[str, ...], list[str], str]]:
    """The calls of revops that a page shows: the command's words as far as they lead, what follows, and the whole."""
    tops = {words[0] for words in ENTRIES if words}
    for span in spans(page):
        words = re.sub(r"#.*", "", span).split()
        starts = [place + 1 for place, word in enumerate(words) if word.rpartition("/")[2] == "revops"]
        if not starts and words[0] in tops and words[1:2] != ["="]:
            starts = [0]
        for start in (start for start in starts if words[start : start + 1] != ["revops"]):
            rest = words[start:]
            found: tuple[str, ...] = ()
            while rest and (*found, rest[0]) in ENTRIES:
                found = (*found, rest.pop(0))
            yield found, rest, span


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_what_is_made_from_the_code_is_current(path: Path) -> None:
    assert path.is_file(), HOW
    assert text_of(path) == made()[path], HOW


@pytest.mark.parametrize("page", BY_HAND, ids=lambda page: page.stem)
def test_each_command_and_option_that_a_page_names_exists(page: Path) -> None:
    for words, rest, span in calls(page):
        entry = ENTRIES[words]
        if words == () or "Commands" in entry.sections:
            wrong = rest and COMMAND.fullmatch(rest[0]) and "COMMAND" in entry.usage and "ARGS" in entry.usage
            assert not wrong, f"there is no command {rest[0]!r} in `{span}`"
        named = {word.partition("=")[0] for word in re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(rest))}
        assert named <= entry.flags, f"{named - entry.flags} of `{span}`"


@pytest.mark.parametrize("page", BY_HAND, ids=lambda page: page.stem)
def test_each_option_that_is_named_by_itself_exists(page: Path) -> None:
    known = {flag for entry in ENTRIES.values() for flag in entry.flags}
    for span in spans(page):
        if span.startswith("--"):
            assert span.split()[0].partition("=")[0] in known | OTHERS_OPTIONS, span


def test_readme_names_each_command() -> None:
    named = {words for words, _, _ in calls(README)}
    for words, entry in ENTRIES.items():
        group_only = "Commands" in entry.sections and words != ("report",)
        assert group_only or words in named, f"README's tables lack `{entry.name}`"


@pytest.mark.parametrize("page", BY_HAND, ids=lambda page: page.stem)
def test_each_metric_that_a_page_names_exists(page: Path) -> None:
    known = {one.name for one in catalogue().definitions}
    named = {span for span in spans(page) if re.fullmatch(r"revops_[a-z_]+", span)}
    assert named <= known


@pytest.mark.parametrize("page", BY_HAND, ids=lambda page: page.stem)
def test_each_key_of_the_configuration_that_a_page_names_exists(page: Path) -> None:
    keys = {f"{section}.{key}" for section, kind in sections().items() for key in keys_of(kind)}
    for span in spans(page):
        found = re.match(r"([a-z]+)\.([a-z_]+)\b", span)
        if found and found[1] in sections() and found[2] not in {"py", "md"}:
            assert found[0] in keys, span
        section = re.fullmatch(r"\[([a-z]+)\]( [a-z_]+)?", span)
        if section:
            assert section[1] in sections(), span
            assert not section[2] or f"{section[1]}.{section[2].strip()}" in keys, span


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    text = re.sub(r"(?ms)^( *)```.*?^\1```", "", text_of(page))
    heads = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "``", text_of(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_readme_leads_to_each_page() -> None:
    linked = set(re.findall(r"\]\((revops/share/docs/\w+\.md)\)", text_of(README)))
    assert linked == {page.relative_to(ROOT).as_posix() for page in topics().values()}


def test_readme_is_short() -> None:
    assert len(text_of(README).splitlines()) < 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_lines_fit_and_name_no_place_of_one_machine(page: Path) -> None:
    for line in text_of(page).splitlines():
        assert len(line) <= 120 or line.startswith(("|", "    ")), line
        assert not PLACES_OF_A_MACHINE.search(line), line


def test_headings_that_messages_send_people_to_are_there() -> None:
    """`doctor` and the alerts say where in README to read on."""
    grep = [path for path in (ROOT / "revops").rglob("*") if path.suffix in {".py", ".yml"}]
    said = " ".join(" ".join(text_of(path).split()) for path in grep)
    named = set(re.findall(r"README, (\w+),", said)) | set(re.findall(r"README under (The \w+)", said))
    assert named >= {"Database", "The commands"}
    assert {f"## {name}" for name in named} <= set(text_of(README).splitlines())


def test_pages_begin_with_their_title_and_nothing_is_skipped() -> None:
    for page in topics().values():
        text = re.sub(r"(?ms)^( *)```.*?^\1```", "", text_of(page))
        depths = [len(marks) for marks in re.findall(r"(?m)^(#+) ", text)]
        assert depths[0] == 1
        assert depths.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(depths)), page.stem


def test_docs_lists_the_pages_and_prints_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == 0
    listed = capsys.readouterr().out
    assert all(topic in listed for topic in topics())
    assert main(["docs", "fees"]) == 0
    assert capsys.readouterr().out == text_of(SHARE / "docs" / "fees.md")
    assert main(["docs", "fees", "--path"]) == 0
    assert capsys.readouterr().out == f"{SHARE / 'docs' / 'fees.md'}\n"
    assert main(["docs", "--path"]) == 0
    assert capsys.readouterr().out == f"{SHARE / 'docs'}\n"
    assert main(["docs", "nothing"]) == 2
    assert "there is no page 'nothing', but: ads, books, " in capsys.readouterr().err


LINTERS: Final = {
    "man": ["man", "--warnings", "--local-file", "--encoding=UTF-8"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
    "groff": ["groff", "-man", "-ww", "-T", "utf8", "-z"],
}


@pytest.mark.parametrize("linter", LINTERS)
def test_the_man_page_is_sound(linter: str) -> None:
    try:
        done = subprocess.run(
            [*LINTERS[linter], str(SHARE / "man" / "revops.1")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip(f"no {linter} on PATH")
    assert (done.returncode, done.stderr) == (0, "")
    assert linter == "groff" or "revops fees adjust" in done.stdout or linter == "mandoc"


def test_a_command_that_pages_do_not_know_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: one command more, and neither the page nor README has it."""
    from tests.docs import markdown

    assert "revops docs" in markdown.page()
    monkeypatch.setattr(cli, "_lazy", {**cli._lazy, "novelty": "revops.cli.docs:docs"})
    assert isinstance(cli, click.Group)
    assert "## revops novelty" in markdown.page()
    assert markdown.page() != text_of(SHARE / "docs" / "commands.md")


@pytest.mark.parametrize("picture", sorted((SHARE / "docs").glob("*.svg")), ids=lambda picture: picture.stem)
def test_a_picture_fetches_nothing_and_shows_no_place_of_one_machine(picture: Path) -> None:
    drawn = text_of(picture).replace("https://www.textualize.io", "").replace("http://www.w3.org/2000/svg", "")
    assert "<text" in drawn
    assert "//" not in drawn
    assert not PLACES_OF_A_MACHINE.search(drawn)


def test_pictures_are_small_and_shown() -> None:
    shown = {found for page in PAGES for found in re.findall(r"!\[[^\]]*\]\((?:\S*/)?(\S+)\)", text_of(page))}
    pictures = [path for path in (SHARE / "docs").iterdir() if path.suffix in {".svg", ".png"}]
    assert {path.name for path in pictures} == shown
    assert all(path.stat().st_size < 200_000 for path in pictures)
