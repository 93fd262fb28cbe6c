"""The one error of this layer: it names the method, and says what an operator can do.

Every way in which a call can go wrong ends here, so that the commands above have one thing to catch. The text of a
node's error may quote strangers (a peer's message, an alias), so it is cut to one printable line.
"""

from __future__ import annotations

from typing import Final

from revops.errors import DataError, PermissionDenied, RevopsError, UnavailableError

UNREACHABLE: Final = UnavailableError.exit_code
GARBAGE: Final = DataError.exit_code
FORBIDDEN: Final = PermissionDenied.exit_code

_MAX_MESSAGE_LENGTH: Final = 400


def one_line(text: str) -> str:
    """Given any text, return it as one printable line of bounded length."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _MAX_MESSAGE_LENGTH else line[: _MAX_MESSAGE_LENGTH - 1] + "…"


class NodeError(RevopsError):
    """A call that gave no usable answer.

    `code` and `answer` are lightningd's error code and message where it answered with an error, `data` what came with
    it. `outcome_unknown` is true where a writing call may have been carried out although no reply says so: only the
    node's records can tell.
    """

    def __init__(
        self,
        method: str,
        problem: str,
        *,
        exit_code: int = UNREACHABLE,
        code: int | None = None,
        answer: str | None = None,
        data: object = None,
        outcome_unknown: bool = False,
        dropped: bool = False,
    ) -> None:
        super().__init__(f"{method}: {one_line(problem)}")
        self.method = method
        self.exit_code = exit_code
        self.code = code
        self.answer = None if answer is None else one_line(answer)
        self.data = data
        self.outcome_unknown = outcome_unknown
        self.dropped = dropped


def garbage(method: str, problem: str) -> NodeError:
    """Given a method and what is wrong with its reply, return the error to raise (exit 65)."""
    return NodeError(method, problem, exit_code=GARBAGE)
