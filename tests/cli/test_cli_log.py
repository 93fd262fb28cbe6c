"""Log lines: short, escaped, on stderr, as loud as asked."""

from __future__ import annotations

import logging

import pytest

from revops.log import configure

LOG = logging.getLogger("revops.test")


@pytest.fixture(autouse=True)
def restore():
    logger = logging.getLogger("revops")
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def say() -> None:
    LOG.debug("debug")
    LOG.info("info")
    LOG.warning("warning of %s", "a\x1b[2J\nb")
    LOG.error("error")


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [(-1, "error"), (0, "warning error"), (1, "info warning error"), (2, "debug info warning error")],
)
def test_verbosity_chooses_the_level(capsys, verbosity, levels):
    configure(verbosity, {"JOURNAL_STREAM": "8:1"})
    say()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == levels.split()


def test_a_line_is_a_line_whatever_is_in_it(capsys):
    configure(0, {})
    say()
    assert capsys.readouterr().err.splitlines()[0] == "revops: warning: warning of a\\x1b[2J\\x0ab"


def test_time_stands_in_front_only_where_nobody_else_writes_it(capsys):
    configure(1, {})
    say()
    configure(1, {"JOURNAL_STREAM": "8:1"})
    say()
    with_time, without = capsys.readouterr().err.splitlines()[0::3]
    assert with_time.split(" ")[0].endswith("Z")
    assert without.startswith("revops: ")


def test_configuring_twice_does_not_print_twice(capsys):
    configure(0, {})
    configure(0, {})
    LOG.error("once")
    assert capsys.readouterr().err.count("once") == 1


def test_a_traceback_is_escaped_line_by_line(capsys):
    configure(0, {})
    try:
        raise ValueError("bad \x1b[31m")
    except ValueError:
        LOG.exception("it failed")
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "ValueError: bad \\x1b[31m"
