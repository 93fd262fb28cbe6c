"""Copies of frozen values: what `dataclasses.replace` makes, made faster."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.domain.decision import FeeState
from revops.domain.values import replace
from tests.builders import NOW, make_channel
from tests.strategies import fee_states


@given(state=fee_states(100), open_seconds=st.floats(0, 1e6), direction=st.sampled_from((-1, 1)))
def test_a_copy_is_what_the_standard_library_makes(state: FeeState, open_seconds: float, direction: int) -> None:
    before = dataclasses.astuple(state)
    copied = replace(state, open_seconds=open_seconds, direction=direction)
    assert copied == dataclasses.replace(state, open_seconds=open_seconds, direction=direction)
    assert replace(state) == state
    assert dataclasses.astuple(state) == before


def test_each_type_has_its_own_fields() -> None:
    channel = make_channel(1)
    terms = replace(channel.local_terms, fee_ppm=7)
    assert replace(channel, local_terms=terms) == dataclasses.replace(channel, local_terms=terms)
    assert terms.fee_ppm == 7


def test_a_field_that_there_is_none_of_is_an_error() -> None:
    with pytest.raises(KeyError, match="fee"):
        replace(make_channel(1), fee=NOW)  # type: ignore[call-arg]  # a field that there isn't
