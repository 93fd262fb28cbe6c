"""Telling a monitoring service that a run began, succeeded or failed, as healthchecks.io and its kin understand it.

The service's URL is a secret: who has it can say that all is well. It is in no log, no error and no page. A ping that
fails is no failure of the run: it is told with -v, and the service notices by itself that none came.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from revops.domain.schedule import EVERY_SECONDS
from revops.errors import TemporaryError

if TYPE_CHECKING:
    from http.client import HTTPMessage
    from urllib.request import Request

    from revops.domain.policy import PingConfig

#: Stands in the URL for the command's name, so that each command can have a check of its own.
PLACEHOLDER: Final = "{command}"

_log = logging.getLogger(__name__)


@dataclass
class Pings:
    """The pings of one run: the first when it begins, the second when its exit code is known."""

    _target: str = field(default="", repr=False)
    _timeout_seconds: float = 0.0

    def begin(self, policy: PingConfig, command: str) -> None:
        """Given where to, and which command begins, say so. Commands that cron doesn't run are nobody's to watch."""
        if not policy.url or command not in EVERY_SECONDS:
            return
        self._target = policy.url.replace(PLACEHOLDER, command.replace(" ", "-")).rstrip("/")
        self._timeout_seconds = policy.timeout_seconds
        self._send("/start")

    def end(self, exit_code: int) -> None:
        """Given how the run ended, say so; not where the next run just tries again: then nothing has failed yet, and
        that no success follows is what tells.
        """
        if self._target and exit_code != TemporaryError.exit_code:
            self._send("" if exit_code == 0 else f"/{exit_code}")

    def _send(self, ending: str) -> None:
        """Send within the time there is, however slowly the service answers. The answer itself is nobody's business."""
        outcome: list[str] = []
        sender = threading.Thread(
            target=_get, args=(self._target + ending, self._timeout_seconds, outcome), daemon=True, name="ping"
        )
        sender.start()
        sender.join(self._timeout_seconds)
        problem = "no answer in time" if sender.is_alive() else outcome[0] if outcome else None
        if problem is not None:
            _log.info("the ping%s failed: %s", f" {ending}" if ending else "", problem)


def _get(url: str, timeout_seconds: float, outcome: list[str]) -> None:
    """Ask for the URL; add to `outcome` what went wrong, in words of ours, since those of a library may quote it."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    from revops import __version__

    class Stay(HTTPRedirectHandler):
        """Follows nowhere: the secret is for one host."""

        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
        ) -> None:
            return None

    try:
        request = Request(url, headers={"User-Agent": f"revops/{__version__}"})  # noqa: S310  # http(s) by PingConfig
        with build_opener(Stay).open(request, timeout=timeout_seconds):
            pass
    except HTTPError as error:
        outcome.append(f"the service answered {error.code}")
        error.close()
    except URLError as error:
        reason = error.reason
        outcome.append(
            str(reason.strerror or type(reason).__name__) if isinstance(reason, OSError) else "no such place"
        )
    except (OSError, HTTPException, ValueError) as error:
        outcome.append(type(error).__name__)
