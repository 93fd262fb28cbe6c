"""What the simulated node answers instead of a result: lightningd's error object.

Codes are those of common/jsonrpc_errors.h; wordings are lightningd's, so that a client under test meets what it will
meet in the field.
"""

from __future__ import annotations

from typing import Any

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
LIGHTNINGD = -1
PAY_IN_PROGRESS = 200
PAY_RHASH_ALREADY_USED = 201
PAY_DESTINATION_PERM_FAIL = 203
PAY_TRY_OTHER_ROUTE = 204
PAY_ROUTE_NOT_FOUND = 205
PAY_ROUTE_TOO_EXPENSIVE = 206
PAY_NO_SUCH_PAYMENT = 208
PAY_USER_ERROR = 217
FUND_CANNOT_AFFORD = 301
SPLICE_WRONG_OWNER = 351
SPLICE_INVALID_CHANNEL_STATE = 353
SPLICE_NOT_SUPPORTED = 354
SPLICE_BUSY_ERROR = 355
SPLICE_FUNDING_LOW = 357
INVOICE_LABEL_ALREADY_EXISTS = 900
INVOICE_PREIMAGE_ALREADY_EXISTS = 901
INVOICE_NOT_FOUND = 905
INVOICE_STATUS_UNEXPECTED = 906
INVOICE_NO_DESCRIPTION = 908
WAIT_TIMEOUT = 2000


class SimRpcError(Exception):
    """An RPC error: `code`, `message` and, where lightningd sends one, a `data` object."""

    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """Return the value of the `error` member of the response."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


class UnansweredError(Exception):
    """A call that lightningd doesn't answer, while its connection stays open."""


def bad_param(name: str, message: str) -> SimRpcError:
    """Given a parameter and what it should have been, return the error (command_fail_badparam)."""
    return SimRpcError(INVALID_PARAMS, f"{name}: {message}: invalid token (see logs for details)")
