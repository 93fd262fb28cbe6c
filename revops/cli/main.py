"""`revops`: the commands, each imported when it is called, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from revops import __version__
from revops.cli import output
from revops.cli.groups import LazyGroup
from revops.cli.options import common_parameters, verbosity
from revops.errors import INTERRUPTED_EXIT_CODE, READER_GONE_EXIT_CODE, PredicateFalse, RevopsError, Terminated
from revops.log import configure

BUG: Final = 70

_ERRNO_EXIT_CODES: Final[Mapping[int, int]] = {
    errno.EACCES: 77,
    errno.EPERM: 77,
    errno.ENOSPC: 74,
    errno.EDQUOT: 74,
    errno.EFBIG: 74,
    errno.EIO: 74,
    errno.EROFS: 74,
    errno.EMFILE: 75,
    errno.ENFILE: 75,
    errno.ENOMEM: 75,
}
#: What writing says where no more can be written.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

cli = LazyGroup(
    "revops",
    help="Run a Core Lightning routing node at a profit: fees, rebalancing and honest books, from cron.\n\n"
    "Start with `revops init`, or look around with `revops demo`.",
    lazy={
        "init": "revops.cli.init:init",
        "doctor": "revops.cli.doctor:doctor",
        "status": "revops.cli.status:status",
        "sync": "revops.cli.sync:sync",
        "fees": "revops.cli.fees:fees",
        "rebalance": "revops.cli.rebalance:rebalance",
        "splice": "revops.cli.splice:splice",
        "ads": "revops.cli.ads:ads",
        "history": "revops.cli.history:history",
        "reconcile": "revops.cli.reconcile:reconcile",
        "rollup": "revops.cli.rollup:rollup",
        "budget": "revops.cli.budget:budget",
        "report": "revops.cli.report:report",
        "export": "revops.cli.export:export",
        "explain": "revops.cli.explain:explain",
        "policy": "revops.cli.policy:policy",
        "experiment": "revops.cli.experiment:experiment",
        "clboss": "revops.cli.clboss:clboss",
        "recorder": "revops.cli.recorder:recorder",
        "config": "revops.cli.config:config",
        "db": "revops.cli.db:db",
        "metrics": "revops.cli.metrics:metrics",
        "demo": "revops.cli.demo:demo",
        "simulate": "revops.cli.simulate:simulate",
        "docs": "revops.cli.docs:docs",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=common_parameters(),
)
click.version_option(__version__, message="revops %(version)s")(cli)


def main(arguments: Sequence[str]) -> int:
    """Given the command line without the program's name, run it and return the exit code. Raises nothing."""
    given: dict[str, Any] = {}
    output.prepare_streams()
    try:
        code = _run(list(arguments), given)
        output.flush()
    except BaseException as problem:  # noqa: BLE001  # the one place: whatever it is becomes an exit code
        return exit_code(problem, verbosity(given))
    return code


def _run(arguments: list[str], given: dict[str, Any]) -> int:
    if "_REVOPS_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "revops", "_REVOPS_COMPLETE", os.environ["_REVOPS_COMPLETE"])
    configure(0, os.environ)
    with cli.make_context("revops", arguments, obj=given) as context:
        cli.invoke(context)
    return 0


def exit_code(problem: BaseException, verbosity: int) -> int:
    """Given what ended a run, say it on standard error where it needs saying, and return the exit code."""
    match problem:
        case click.exceptions.Exit():
            return problem.exit_code
        case SystemExit():
            return problem.code if isinstance(problem.code, int) else BUG
        case click.ClickException():
            problem.show()
            return problem.exit_code
        case KeyboardInterrupt() | click.exceptions.Abort():
            return INTERRUPTED_EXIT_CODE
        case Terminated():
            output.error("terminated")
            return problem.exit_code
        case BrokenPipeError():
            output.abandon_stdout()
            return READER_GONE_EXIT_CODE
        case RevopsError():
            return _expected(problem, verbosity)
        case OSError() if problem.errno in _ERRNO_EXIT_CODES:
            return _from_system(problem, verbosity)
    return _bug(problem, verbosity)


def _expected(problem: RevopsError, verbosity: int) -> int:
    from revops.lock import LockHeld

    # A predicate that is false isn't an error with -q; overlapping cron jobs aren't worth a mail.
    silent = (isinstance(problem, PredicateFalse) and verbosity < 0) or (
        isinstance(problem, LockHeld) and verbosity <= 0 and not output.on_terminal(sys.stderr)
    )
    if not silent:
        faults: tuple[str, ...] = getattr(problem, "faults", (str(problem),))
        for fault in faults:
            output.error(fault)
    _trace(problem, logging.DEBUG)
    return problem.exit_code


def _from_system(problem: OSError, verbosity: int) -> int:
    # Whatever writes a file names it; what is left without a name is what we print.
    place = problem.filename or ("standard output" if problem.errno in _FULL else None)
    output.error(f"{place}: {problem.strerror}" if place else f"{problem.strerror}")
    _trace(problem, logging.DEBUG if place else logging.INFO)
    if problem.filename is None and problem.errno in _FULL:
        output.abandon_stdout()
    return _ERRNO_EXIT_CODES[problem.errno or 0]


def _bug(problem: BaseException, verbosity: int) -> int:
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    advice = "" if verbosity > 0 else "; run it again with -v for the traceback, and report it"
    output.error(f"bug: {type(problem).__name__}: {problem}{place}{advice}")
    _trace(problem, logging.INFO)
    return BUG


def _trace(problem: BaseException, level: int) -> None:
    logging.getLogger("revops").log(level, "traceback of the error above:", exc_info=problem)
