"""One try of one call: pyln, under its deadlines, with every fault turned into a NodeError. Loaded with the first
call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.node.deadline import total_deadline
from revops.node.errors import NodeError, garbage
from revops.node.faults import CALL_FAULTS, explain
from revops.node.local import answer_at
from revops.node.rpc import Params
from revops.node.wire import BoundedClient, LocalClient

_SECRET_PARAMS: Final = ("payment_secret", "preimage")


def attempt(
    path: str,
    method: str,
    params: Params,
    *,
    seconds: float,
    expires_at: float,
    max_reply_bytes: int,
    writes: bool,
    lists: bool = False,
) -> dict[str, object] | NodeError:
    """Given a call and its bounds (`expires_at` on `time.monotonic`), return its result, or the error to raise. Where
    the method answers with a bare list (`lists`), that is the member `rows` of what is returned.

    The error is returned because raising it here would chain it to pyln's, which quotes request and reply.
    """
    answer = answer_at(path)
    client = (
        BoundedClient(path, method, expires_at, max_reply_bytes)
        if answer is None
        else LocalClient(answer, path, method, expires_at, max_reply_bytes)
    )
    try:
        with total_deadline(expires_at):
            result = client.call(method, params)
    except CALL_FAULTS as error:
        unsure = writes and client.sent
        return explain(error, method, path=path, seconds=seconds, unsure=unsure, secrets=_secrets_in(params))
    if lists and isinstance(result, list):
        return {"rows": result}
    if lists or not isinstance(result, dict):
        return garbage(method, f"the result is not a JSON {'list' if lists else 'object'}")
    return result


def _secrets_in(params: Params) -> tuple[str, ...]:
    if not isinstance(params, Mapping):
        return ()
    return tuple(str(params[name]) for name in _SECRET_PARAMS if params.get(name))
