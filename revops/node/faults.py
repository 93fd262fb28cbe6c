"""What went wrong in a call, in one line that an operator can act on, with the exit code that belongs to it.

The exceptions of pyln and of sockets quote requests and replies, which hold payment secrets: their texts are not
passed on.
"""

from __future__ import annotations

from typing import Final

from revops.node.deadline import DeadlineError
from revops.node.errors import FORBIDDEN, GARBAGE, UNREACHABLE, NodeError
from revops.node.wire import MalformedReplyError, RpcError

#: Everything that a call may raise; what isn't here is a bug of ours and passes.
CALL_FAULTS: Final = (
    RpcError,
    MalformedReplyError,
    DeadlineError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)

METHOD_NOT_FOUND: Final = -32601
_PLUGIN_TERMINATED: Final = -4
_SHUTTING_DOWN: Final = -5
_UNSURE_CODES: Final = frozenset({_PLUGIN_TERMINATED, _SHUTTING_DOWN})
_HINTS: Final = {
    METHOD_NOT_FOUND: "; this lightningd lacks the method, or the plugin that brings it is disabled or has died",
    _PLUGIN_TERMINATED: "; the plugin that serves it died, see lightningd's log",
    _SHUTTING_DOWN: "; lightningd is shutting down",
}
_DROPPED: Final = "lightningd closed the connection before its reply was complete; it may have stopped, see its log"


def explain(
    error: BaseException, method: str, *, path: str, seconds: float, unsure: bool, secrets: tuple[str, ...] = ()
) -> NodeError:
    """Given what a call raised, return the error to show. `unsure`: it writes, and the request may have arrived."""
    if isinstance(error, RpcError):
        return _refusal(error.error, method, unsure, secrets)
    if isinstance(error, DeadlineError | TimeoutError):
        problem = (
            f"no complete reply within {seconds:g} s; lightningd is hung or overloaded. "
            "If it is only slow, raise node.rpc_timeout_seconds"
        )
        return _lost(method, problem, unsure)
    if isinstance(error, OSError):
        return _socket_fault(error, method, path, unsure)
    return _malformed(method, _what_is_malformed(error), unsure)


def _what_is_malformed(error: BaseException) -> str:
    if isinstance(error, MalformedReplyError):
        return str(error)
    if isinstance(error, ValueError) and "id is not" in str(error):
        return "belongs to another request"
    if isinstance(error, ValueError) and '"result" missing' in str(error):
        return "has neither result nor error"
    return f"can't be read ({type(error).__name__})"


def _malformed(method: str, what: str, unsure: bool) -> NodeError:
    problem = f"the reply {what}; is node.rpc_path really lightningd's socket?"
    return NodeError(method, problem + _unsure_tail(unsure), exit_code=GARBAGE, outcome_unknown=unsure)


def _lost(method: str, problem: str, unsure: bool, *, dropped: bool = False) -> NodeError:
    return NodeError(
        method, problem + _unsure_tail(unsure), exit_code=UNREACHABLE, outcome_unknown=unsure, dropped=dropped
    )


def _unsure_tail(unsure: bool) -> str:
    return ". Whether it was carried out is not known" if unsure else ""


def _socket_fault(error: OSError, method: str, path: str, unsure: bool) -> NodeError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NodeError(method, f"there is no socket at {path}: is lightningd running, and is node.rpc_path right?")
    if isinstance(error, PermissionError):
        problem = (
            f"may not open {path}: run as lightningd's user, or set rpc-file-mode=0660 in its config and join its group"
        )
        return NodeError(method, problem, exit_code=FORBIDDEN)
    if isinstance(error, ConnectionRefusedError):
        return NodeError(method, f"nobody listens at {path}: lightningd is stopped or still starting")
    if isinstance(error, ConnectionError):
        return _lost(method, _DROPPED, unsure, dropped=True)
    return _lost(method, f"the socket {path} failed: {error.strerror or type(error).__name__}", unsure)


def _refusal(answer: object, method: str, unsure: bool, secrets: tuple[str, ...]) -> NodeError:
    """Given the `error` member of a reply (a dict, or a string where pyln made it up), return the error to show."""
    if isinstance(answer, str):
        return _lost(method, _DROPPED, unsure, dropped=True)
    if not isinstance(answer, dict):
        return _malformed(method, "has an error that is no object", unsure)
    code, message = answer.get("code"), answer.get("message")
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        return _malformed(method, "has an error without code or message", unsure)
    for secret in secrets:
        message = message.replace(secret, "(secret)")
    unsure = unsure and code in _UNSURE_CODES
    problem = f"lightningd refuses: {message} (code {code}){_HINTS.get(code, '')}{_unsure_tail(unsure)}"
    return NodeError(method, problem, code=code, answer=message, data=answer.get("data"), outcome_unknown=unsure)
