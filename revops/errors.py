"""The errors that a person may see, and the exit code of each.

One tree, handled at one place (`cli/main.py`): a `RevopsError` becomes one line on stderr and its class's exit code.
Codes follow sysexits(3) from 64 up; 1 is kept for `budget check`, 2 for usage (Click's own). They never change:
crontabs and monitoring depend on them.
"""

from __future__ import annotations


class RevopsError(Exception):
    """An error whose message tells an operator what is wrong and what to do. Base of all of ours."""

    exit_code: int = 70


class PredicateFalse(RevopsError):
    """A question that a command asks has the answer no: no failure."""

    exit_code = 1


class NothingLeft(PredicateFalse):
    """`budget check`: there is nothing left to reserve."""


class Unexplained(PredicateFalse):
    """`reconcile`: the node and the records differ, and nothing tells why."""


class UnknownChannel(RevopsError):
    """The command line names a channel that isn't there: usage, as a misspelt option is."""

    exit_code = 2


class UnknownName(RevopsError):
    """A name that isn't there: a family or policy of `simulate`, a peer of which nothing was taken from CLBOSS. That is
    usage, as a misspelt option is.
    """

    exit_code = 2


class NothingToRelease(RevopsError):
    """`fees unset` names a channel whose fee nobody holds: nothing was changed, least of all what was learnt of it."""

    exit_code = 2


class ExperimentRuns(RevopsError):
    """`experiment start` while another one isn't over: two at once would measure each other."""

    exit_code = 2


class NoExperiment(RevopsError):
    """There is no such experiment: none to stop, or none that was ever begun."""

    exit_code = 2


class DataError(RevopsError):
    """The node or the database said something that can't be true: nothing is written, somebody should look."""

    exit_code = 65


class UnavailableError(RevopsError):
    """lightningd or the database can't be reached; the next run may find it."""

    exit_code = 69


class BugError(RevopsError):
    """An invariant of ours is broken. The message asks for a report."""

    exit_code = 70


class OutputError(RevopsError):
    """A file that we should write (.prom, report, backup) can't be written."""

    exit_code = 73


class DiskError(RevopsError):
    """Reading or writing failed below us: disk full, input/output error, read-only file system."""

    exit_code = 74


class TemporaryError(RevopsError):
    """Another run holds the lock, the node is still syncing, or the database is busy: the next run tries again."""

    exit_code = 75


class PermissionDenied(RevopsError):
    """The operating system refuses us a file or socket."""

    exit_code = 77


class ConfigError(RevopsError):
    """The configuration file, the environment or the database's schema version is wrong: an operator has to act."""

    exit_code = 78


class SchemaMismatch(ConfigError):
    """The database's schema isn't the one that this version works with. `found` is None where it has none of ours."""

    def __init__(self, message: str, found: str | None = None) -> None:
        super().__init__(message)
        self.found = found


#: Who reads our output went away: 128 + SIGPIPE.
READER_GONE_EXIT_CODE = 141
#: Ctrl-C: 128 + SIGINT, as a shell says it.
INTERRUPTED_EXIT_CODE = 130


class Terminated(BaseException):
    """SIGTERM: somebody's `timeout` ran out, or the machine goes down. Not an Exception, so that nobody handles it."""

    exit_code = 143


class HungUp(Terminated):
    """SIGHUP: the terminal, or the connection behind it, went away."""

    exit_code = 129


#: What each exit code means, in README's words; a test compares the two.
EXIT_CODES: dict[int, str] = {
    0: "done, also when there was nothing to do, and after a dry run",
    1: "`budget check`: nothing is left to reserve; `reconcile`: something differs, and nothing tells why; `doctor`:"
    " warnings, no error",
    2: "usage: an unknown command, option or channel",
    65: "the node or the database said something that can't be true; nothing was written",
    69: "lightningd or the database can't be reached, or part of the work failed",
    70: "a bug in revops",
    73: "an output file can't be written",
    74: "disk full, read-only or failing",
    75: "try again later: a lock is held, the node is syncing, or the database is busy",
    77: "permission denied on a file or socket",
    78: "the configuration or the database's schema version is wrong",
    129: "the terminal went away (SIGHUP)",
    130: "interrupted (Ctrl-C)",
    141: "who read the output went away",
    143: "terminated (SIGTERM), as `timeout` does it",
}
