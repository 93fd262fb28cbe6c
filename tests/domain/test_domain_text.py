"""Texts from strangers can't move a cursor, forge a line, run as a formula; a URL doesn't give its password away."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.domain.text import counted, csv_cell, has_password, printable, without_password

ANY_TEXT = st.text(st.characters(), max_size=60)
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
VISIBLE_TEXT = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), max_size=40)


@given(text=ANY_TEXT)
def test_nothing_invisible_is_left(text: str) -> None:
    safe = printable(text)
    assert not {unicodedata.category(character) for character in safe} & set(INVISIBLE)
    assert len(safe.splitlines()) <= 1
    assert printable(safe) == safe


@given(text=VISIBLE_TEXT)
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a peer", "a peer"),
        ("süß ⚡", "süß ⚡"),
        ("\x1b[2J", "\\x1b[2J"),
        ("one\ntwo", "one\\x0atwo"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\u2028b", "a\\u2028b"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_what_cannot_be_seen_is_an_escape(text: str, safe: str) -> None:
    assert printable(text) == safe


@given(text=ANY_TEXT)
def test_a_cell_never_starts_a_formula(text: str) -> None:
    assert not csv_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("-5", "'-5"), ("@x", "'@x"), ("\t=1", "'\\x09=1"), ("plain", "plain"), ("", "")],
)
def test_a_formula_gets_a_quote(text: str, cell: str) -> None:
    assert csv_cell(text) == cell


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/revops/revops.db", "sqlite:////var/lib/revops/revops.db"),
        ("postgresql+psycopg://user@host/db", "postgresql+psycopg://user@host/db"),
        ("postgresql+psycopg://host:5432/db", "postgresql+psycopg://host:5432/db"),
        ("postgresql+psycopg://user:secret@host/db", "postgresql+psycopg://user:***@host/db"),
        ("postgresql+psycopg://user:se@c/r:et@host/db", "postgresql+psycopg://user:***@host/db"),
        ("postgresql+psycopg://:secret@host/db", "postgresql+psycopg://:***@host/db"),
        ("postgresql://host/db?user=u&password=secret", "postgresql://host/db?user=u&password=***"),
        ("postgresql://host/db?PassWord=secret&x=1", "postgresql://host/db?PassWord=***&x=1"),
        ("postgresql://host/db?sslpassword=secret", "postgresql://host/db?sslpassword=***"),
    ],
)
def test_a_password_is_hidden(url: str, shown: str) -> None:
    assert without_password(url) == shown
    assert has_password(url) is (url != shown)


@given(secret=st.text(min_size=1, max_size=20).filter(lambda text: "*" not in text))
def test_no_secret_before_the_at_sign_survives(secret: str) -> None:
    marked = f"<{secret}>"
    assert marked not in without_password(f"postgresql://user:{marked}@host/db")


@pytest.mark.parametrize(("count", "text"), [(0, "0 forwards"), (1, "1 forward"), (1_234, "1,234 forwards")])
def test_one_is_singular(count, text):
    assert counted(count, "forward") == text
