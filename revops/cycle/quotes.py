"""Ask the node what routes cost, before anything is decided: a price that is guessed is no price.

The routing layer that keeps our own node out of paths must be there; a dry run makes none, nor does one below the
reserve: they ask only if there is one already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from revops.actuate.pricing import LAYER, NO_ROUTE_CODES, ensure_layer, final_cltv_blocks, route_within
from revops.cycle.session import Session
from revops.decide.attempts import no_route_kind
from revops.decide.rebalance.plan import gather
from revops.decide.rebalance.priced import Pair, Question, Quotes
from revops.decide.route import RouteRefusedError
from revops.domain.rebalance import FailureKind, Quote
from revops.node.errors import NodeError

#: Where no route is cheap enough, one more question, for the first source of a target, tells by how much.
BEYOND_TIMES: Final = 4


def ask_for_routes(
    session: Session,
    questions: Sequence[Question],
    then: Callable[[Quotes], Sequence[Question]] = lambda _: (),
    *,
    may_write: bool,
) -> dict[Pair, list[Quote]]:
    """Given what to ask, what to ask next at the answers so far, and whether the layer may be made, return what the
    node answered, by (source, target); empty where it can't be asked.

    Raise NodeError where the node doesn't answer.
    """
    if not questions:
        return {}
    with _layered(session, may_write) as layered:
        if not layered:
            return {}
        cltv_blocks, told = final_cltv_blocks(session.reader), set[str]()
        return gather(questions, then, lambda question: _answer(session, question, cltv_blocks, told))


def _answer(session: Session, question: Question, cltv_blocks: int, told: set[str]) -> Quote:
    quote = _ask(session, question, cltv_blocks)
    target_id = question.target.channel_id
    if quote.fee_msat is not None or target_id in told:
        return quote
    told.add(target_id)
    dearer = _ask(session, question._replace(max_fee_msat=BEYOND_TIMES * question.max_fee_msat), cltv_blocks)
    return dearer if dearer.fee_msat is not None else quote


@contextmanager
def _layered(session: Session, may_write: bool) -> Iterator[bool]:
    """Yield whether the layer is there. A run that may write makes one, and takes away what wasn't there before: a plan
    leaves the node as it was.
    """
    own_id = session.info.node_id
    before = session.reader.layer_disabled_nodes(LAYER)
    if session.run_key is None or not may_write:
        yield before is not None and own_id in before
        return
    ensure_layer(session.reader, session.writer, own_id, session.clock())
    try:
        yield True
    finally:
        if before is None:
            session.writer.remove_layer(LAYER)


def _ask(session: Session, question: Question, cltv_blocks: int) -> Quote:
    source, target, amount_msat, max_fee_msat = question
    own_id = session.info.node_id
    try:
        route, fee_msat = route_within(
            session.reader, own_id, source, target, amount_msat, max_fee_msat, cltv_blocks, (LAYER,)
        )
    except RouteRefusedError as refused:
        return Quote(amount_msat, None, FailureKind.OTHER, str(refused))
    except NodeError as error:
        if error.code not in NO_ROUTE_CODES:
            raise
        return Quote(amount_msat, None, no_route_kind(error.code, str(error)), error.answer or "none found")
    if not route:
        return Quote(amount_msat, None, FailureKind.FEE_TOO_LOW, "the last hop alone costs more")
    return Quote(amount_msat, fee_msat)
