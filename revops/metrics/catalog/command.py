"""Each command's own figures, in a file of its own."""

from __future__ import annotations

from enum import Enum, unique

from revops.metrics.catalog.define import COMMAND, of_run


@unique
class CommandMetric(Enum):
    """A command's last run."""

    LAST_RUN = of_run(
        "revops_command_last_run_timestamp_seconds",
        COMMAND,
        "When the command's last run ended, well or not (UTC epoch).",
    )
    LAST_SUCCESS = of_run(
        "revops_command_last_success_timestamp_seconds",
        COMMAND,
        "When the command's last successful run ended (UTC epoch); absent when there was none.",
    )
    LAST_DURATION = of_run("revops_command_last_duration_seconds", COMMAND, "How long the command's last run took.")
    LAST_EXIT_CODE = of_run("revops_command_last_exit_code", COMMAND, "Exit code of the command's last run.")
    LAST_DECISIONS = of_run(
        "revops_command_last_decisions",
        ("node", "command", "outcome"),
        "Decisions of the command's last run; absent where it takes none or didn't get that far.",
    )
    BUILD_INFO = of_run(
        "revops_build_info",
        ("node", "command", "version"),
        "Version of revops that made the command's last run; always 1.",
    )
    INTERVAL = of_run(
        "revops_command_interval_seconds",
        COMMAND,
        "How far apart its runs are expected: the median of its last runs, no less than in crontab.example; absent "
        "where it isn't run regularly.",
        lasts=True,
    )
    SCHEMA_EXPECTED = of_run(
        "revops_command_schema_version_expected", COMMAND, "Schema of the database that this version works with."
    )
    SCHEMA_FOUND = of_run(
        "revops_command_schema_version_found",
        COMMAND,
        "Schema that the database had; absent where it could not be read or is none of ours.",
    )
    DATABASE_ROWS = of_run(
        "revops_database_rows",
        ("node", "command", "table"),
        "The node's rows in a table, counted at the end of the last rollup.",
        lasts=True,
    )
    RECONCILE_UNEXPLAINED = of_run(
        "revops_reconcile_unexplained_msat",
        COMMAND,
        "What the node and the records differ by without a reason, in the last comparison; whatever its sign.",
        lasts=True,
    )
    RECONCILE_DIFFERENCES = of_run(
        "revops_reconcile_differences",
        ("node", "command", "outcome"),
        "Figures that differed in the last comparison: explained, unexplained, or damaged (against their own rows).",
        lasts=True,
    )
    RECONCILE_TIMESTAMP = of_run(
        "revops_reconcile_compared_timestamp_seconds", COMMAND, "When that comparison was made (UTC epoch).", lasts=True
    )
