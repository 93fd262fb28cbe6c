"""Which versions of lightningd are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops.errors import ConfigError
from revops.node.version import check_version, parse_version


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("v24.11.1", (24, 11)),
        ("v26.06.6", (26, 6)),
        ("v26.04.1-modded", (26, 4)),
        ("24.08.2-gentoo-r0", (24, 8)),
        ("v25.12-22-g98a188b", (25, 12)),
        ("v25.12-22-g98a188b-modded", (25, 12)),
        ("v26.06rc1", (26, 6)),
        ("v26.06.6+deb12", (26, 6)),
        ("98a188b", None),
        ("g98a188b-modded", None),
        ("090f4b0e6aa1c7c06b0cd5c6b8e1e0b1d1c2f3a4", None),
    ],
)
def test_forms(text: str, series: tuple[int, int] | None) -> None:
    assert parse_version(text) == series


@pytest.mark.parametrize("text", ["", "basic", "v26", "26.06 or so", "v0.18-beta", "lnd", "v26.06.6\nv1", "vv26.06"])
def test_what_is_no_version_is_refused(text: str) -> None:
    if text != "v0.18-beta":
        with pytest.raises(ValueError):
            parse_version(text)
    with pytest.raises(ConfigError) as caught:
        check_version(text)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("text", ["v24.11.1", "24.08.2-gentoo-r0", "v25.09.3", "v25.09-900-gabcdef0"])
def test_too_old(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"{text}.*v25\.12"):
        check_version(text)


@pytest.mark.parametrize("text", ["v25.12", "v25.12.1", "v26.04.1-modded", "v26.06rc1", "v26.06.9"])
def test_known(text: str) -> None:
    assert check_version(text) is None


@pytest.mark.parametrize(
    ("text", "says"), [("v26.09", "newer"), ("v27.03rc2", "newer"), ("98a188b", "without a version")]
)
def test_warned_of(text: str, says: str) -> None:
    warning = check_version(text)
    assert warning is not None
    assert text in warning
    assert says in warning


@given(st.text(max_size=20))
@settings(deadline=None, derandomize=True)
def test_any_text_ends_in_one_of_three_ways(text: str) -> None:
    try:
        warning = check_version(text)
    except ConfigError:
        return
    assert warning is None or "\n" not in warning
