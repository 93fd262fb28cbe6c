"""Routes are asked for by a layer that keeps our own node out of them, and what that costs is what they would cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revops.actuate.pricing import LAYER, ensure_layer
from revops.cycle import rebalance_plan
from revops.cycle.quotes import ask_for_routes
from revops.cycle.session import Session, open_session
from revops.decide.rebalance.priced import Question
from revops.domain.reason import ReasonCode
from revops.domain.rebalance import FailureKind
from revops.node.methods import METHODS
from tests.actuate.bench import AMOUNT_MSAT, Bench


def question(session: Session, bench: Bench, max_fee_msat: int = 10**8) -> Question:
    """A pair between which the network carries the amount."""
    source, target = next(bench.pairs())
    channels = {channel.channel_id: channel for channel in session.reader.channels()}
    bench.node.handle("askrene-remove-layer", {"layer": LAYER})  # the bench looked for the pair by it
    return Question(channels[source["channel_id"]], channels[target["channel_id"]], AMOUNT_MSAT, max_fee_msat)


def writes(bench: Bench) -> list[str]:
    return [method for method, _ in bench.node.call_log if METHODS[method].writes]


def opened(bench: Bench, *, dry_run: bool = False):
    options = replace(bench.options, dry_run=dry_run)
    return open_session(options, rebalance_plan.COMMAND, "rebalance", bench.clock, writes=True)


def test_a_price_is_that_of_the_whole_route_and_our_node_is_kept_out_of_it(bench: Bench) -> None:
    with opened(bench) as session:
        asked = question(session, bench)
        bench.node.call_log.clear()
        ((quote,),) = ask_for_routes(session, [asked], may_write=True).values()
        assert quote.amount_msat == AMOUNT_MSAT
        assert quote.fee_msat is not None
        last_hop = asked.target.remote_terms
        assert last_hop is not None
        assert quote.fee_msat > last_hop.fee_base_msat + AMOUNT_MSAT * last_hop.fee_ppm // 10**6
        made = ["askrene-create-layer", "askrene-disable-node", "askrene-age"]
        assert writes(bench) == [*made, "askrene-remove-layer"]  # a plan leaves the node as it was
        sent = [params for method, params in bench.node.call_log if method == "getroutes"]
        assert [params["layers"] for params in sent] == [["revops"]]


def test_a_plan_says_when_no_price_is_known_for_want_of_the_layer(bench: Bench, monkeypatch: Any) -> None:
    with opened(bench) as session:
        asked = question(session, bench)
    monkeypatch.setattr(rebalance_plan, "questions", lambda *_: (asked,))
    dry = rebalance_plan.run(replace(bench.options, dry_run=True), bench.clock)
    assert [reason.code for reason in dry.reasons] == [ReasonCode.NO_LAYER]
    assert "`" not in dry.reasons[0].sentence
    assert "the routing layer revops" in dry.reasons[0].sentence
    assert rebalance_plan.run(bench.options, bench.clock).reasons == ()
    monkeypatch.setattr(rebalance_plan, "questions", lambda *_: ())
    assert rebalance_plan.run(replace(bench.options, dry_run=True), bench.clock).reasons == ()


def test_a_route_that_is_too_dear_is_asked_for_once_more_to_tell_by_how_much(bench: Bench) -> None:
    with opened(bench) as session:
        asked = question(session, bench)
        ((quote,),) = ask_for_routes(session, [asked], may_write=True).values()
        assert quote.fee_msat is not None
        limit_msat = quote.fee_msat // 2
        ((dear,),) = ask_for_routes(session, [asked._replace(max_fee_msat=limit_msat)], may_write=True).values()
        assert dear.fee_msat == quote.fee_msat
        ((none,),) = ask_for_routes(
            session, [asked._replace(max_fee_msat=quote.fee_msat // 100)], may_write=True
        ).values()
        assert none.fee_msat is None
        assert none.failure in {FailureKind.NO_ROUTE, FailureKind.FEE_TOO_LOW}


@pytest.mark.parametrize("dry_run", [True, False])
def test_without_the_layer_nothing_is_asked_and_none_is_made_where_nothing_may_be_written(
    bench: Bench, dry_run: bool
) -> None:
    with opened(bench, dry_run=dry_run) as session:
        asked = question(session, bench)
        bench.node.call_log.clear()
        assert ask_for_routes(session, [asked], may_write=dry_run) == {}
        assert writes(bench) == []
        assert ask_for_routes(session, [], may_write=True) == {}
    with opened(bench) as session:
        ensure_layer(session.reader, session.writer, session.info.node_id, session.clock())  # as a run leaves it
        assert ask_for_routes(session, [asked], may_write=True)
        assert session.reader.layer_disabled_nodes(LAYER)
    with opened(bench, dry_run=dry_run) as session:
        bench.node.call_log.clear()
        assert ask_for_routes(session, [asked], may_write=dry_run)
        assert writes(bench) == []


def test_a_target_whose_peer_asks_for_nothing_that_is_known_has_no_price(bench: Bench) -> None:
    with opened(bench) as session:
        asked = question(session, bench)
        unknown = asked._replace(target=replace(asked.target, remote_terms=None))
        ((quote,),) = ask_for_routes(session, [unknown], may_write=True).values()
        assert (quote.fee_msat, quote.failure) == (None, FailureKind.OTHER)
        cheap = asked._replace(max_fee_msat=0)
        ((quote,),) = ask_for_routes(session, [cheap], may_write=True).values()
        assert quote.fee_msat is None
