"""Pure checks of the doctor: which facts make which finding, and what it says to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from revops import errors
from revops.decide.doctor import findings, machine, node, recorder, records, settings
from revops.domain.health import (
    BackupFacts,
    ClockFacts,
    CommandFacts,
    ConfigFacts,
    DatabaseFacts,
    DiskFacts,
    ExporterFacts,
    Fault,
    Finding,
    FolderStep,
    LockFacts,
    NodeFacts,
    RecordFacts,
    Severity,
    SocketFacts,
    TextfileFacts,
)
from revops.domain.node import NodeInfo
from revops.domain.policy import (
    AdsConfig,
    BudgetConfig,
    ClassesConfig,
    ClbossConfig,
    Config,
    FeesConfig,
    Match,
    NodeConfig,
    RebalanceConfig,
    ReserveConfig,
    RetentionConfig,
    Rule,
)
from revops.domain.reason import ReasonCode, why
from revops.domain.record import Books, ReserveStanding, RunRecord
from revops.domain.recorder import RecorderRecord, RecorderStatus, SpoolPlace
from revops.domain.schedule import EVERY_SECONDS
from revops.domain.snapshot import ClockMark

NOW = 1_800_000_000.0
HOUR, DAY = 3_600.0, 86_400.0
NODE_ID = "02" + "ab" * 32
SOUND = ReserveConfig(onchain_sat=100_000, offchain_sat=50_000)
ERROR, WARNING, NOTE, UNCHECKED, OK = (
    Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.UNCHECKED, Severity.OK
)  # fmt: skip


def config(**sections: Any) -> Config:
    return Config(
        node=NodeConfig(rpc_path="/run/rpc"), **{"reserve": SOUND, "fees": FeesConfig(mode="act"), **sections}
    )


def worst(found: Iterable[Finding], check: str) -> Finding:
    """The worst finding of a check, of which there must be one."""
    mine = [finding for finding in findings.ordered(found) if finding.check == check]
    assert mine, f"nothing was said about {check}"
    return mine[0]


def test_exit_codes_are_those_of_the_commands() -> None:
    assert {
        findings.WARNED: errors.PredicateFalse, findings.DATA: errors.DataError,
        findings.UNAVAILABLE: errors.UnavailableError, findings.BUG: errors.BugError,
        findings.OUTPUT: errors.OutputError, findings.DISK: errors.DiskError,
        findings.TEMPORARY: errors.TemporaryError, findings.FORBIDDEN: errors.PermissionDenied,
        findings.CONFIG: errors.ConfigError,
    } == {
        kind.exit_code: kind
        for kind in (
            errors.PredicateFalse, errors.DataError, errors.UnavailableError, errors.BugError, errors.OutputError,
            errors.DiskError, errors.TemporaryError, errors.PermissionDenied, errors.ConfigError,
        )
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ((), 0),
        ((findings.ok("a", "x"), findings.note("b", "x"), findings.unchecked("c", "x")), 0),
        ((findings.note("b", "x"), findings.warning("a", "x", "y")), 1),
        ((findings.warning("a", "x", "y"), findings.error("b", "x", "y", 75)), 75),
        ((findings.error("a", "x", "y", 69), findings.error("b", "x", "y", 78)), 78),
        ((findings.error("a", "x", "y", 78), findings.error("b", "x", "y", 65)), 65),
        ((findings.error("a", "x", "y", 70), findings.error("b", "x", "y", 65)), 70),
        ((findings.error("a", "x", "y", 64),), 64),
    ],
)
def test_the_exit_code_is_that_of_the_worst(found: tuple[Finding, ...], code: int) -> None:
    assert findings.exit_code_of(found) == findings.exit_code_of(reversed(found)) == code


def test_the_worst_stands_first_and_equals_keep_their_order() -> None:
    made = [
        findings.ok("a", ""), findings.unchecked("b", ""), findings.note("c", ""), findings.warning("d", "", ""),
        findings.error("e", "", "", 1), findings.error("f", "", "", 1),
    ]  # fmt: skip
    assert [one.check for one in findings.ordered(made)] == ["e", "f", "d", "c", "b", "a"]


@pytest.mark.parametrize(("count", "words"), [(0, "0 MB"), (1_290_000, "1 MB"), (82_000_000_000, "82.0 GB")])
def test_sizes(count: int, words: str) -> None:
    assert findings.size(count) == words


# --- configuration


@pytest.mark.parametrize(
    ("facts", "severity", "words"),
    [
        (ConfigFacts("/c.toml", None), OK, "is valid"),
        (ConfigFacts(None, None, (Fault("c.toml: fees.x: unknown key", 78),)), ERROR, "unknown key"),
        (ConfigFacts("/c.toml", None, warnings=("others can write to it",)), WARNING, "others can write"),
        (ConfigFacts("/c.toml", None, overrides=("REVOPS_FEES_MODE",)), NOTE, "REVOPS_FEES_MODE"),
    ],
)
def test_the_file(facts: ConfigFacts, severity: Severity, words: str) -> None:
    found = worst(settings.file(facts), settings.FILE)
    assert (found.severity, words in found.sentence) == (severity, True)


ACTS = RebalanceConfig(mode="act")
MONEY = BudgetConfig(daily_sat=100, weekly_sat=300)


@pytest.mark.parametrize(
    ("check", "changes", "severity", "words"),
    [
        (settings.MONEY, {}, OK, "nothing stands out"),
        (settings.MONEY, {"rebalance": ACTS}, WARNING, "nothing will ever be spent"),
        (settings.MONEY, {"rebalance": ACTS, "budget": MONEY}, OK, ""),
        (
            settings.MONEY,
            {"rebalance": ACTS, "budget": BudgetConfig(daily_sat=1, weekly_sat=1, revenue_share_ratio=0)},
            WARNING, "revenue_share_ratio = 0",
        ),
        (
            settings.MONEY, {"rebalance": RebalanceConfig(mode="act", executor="none"), "budget": MONEY}, WARNING,
            'executor is "none"',
        ),
        (
            settings.MONEY, {"rebalance": RebalanceConfig(mode="act", max_fee_ppm=0), "budget": MONEY}, WARNING,
            "max_fee_ppm = 0",
        ),
        (settings.MONEY, {"budget": BudgetConfig(daily_sat=1, weekly_sat=8)}, NOTE, "can't be reached"),
        (settings.MONEY, {"budget": BudgetConfig(daily_sat=1, weekly_sat=7)}, OK, ""),
        (
            settings.MONEY, {"budget": BudgetConfig(daily_sat=1, weekly_sat=1, revenue_share_ratio="none")}, NOTE,
            "earn nothing",
        ),
        (
            settings.MONEY, {"budget": BudgetConfig(daily_sat=1, weekly_sat=1, revenue_share_ratio=1.5)}, WARNING,
            "cost more than all forwards earn",
        ),
        (settings.FEES, {}, OK, ""),
        (settings.FEES, {"fees": FeesConfig()}, NOTE, "none is sent"),
        (settings.FEES, {"fees": FeesConfig(mode="act", max_updates_per_day=0)}, WARNING, "no fee will ever be sent"),
        (settings.FEES, {"fees": FeesConfig(mode="act", min_ppm=0)}, NOTE, "free"),
        (settings.FEES, {"fees": FeesConfig(mode="act", max_ppm=30_000)}, WARNING, "3 % of a payment"),
        (settings.FEES, {"fees": FeesConfig(mode="act", min_ppm=50, max_ppm=50)}, WARNING, "no room"),
        (settings.FEES, {"fees": FeesConfig(mode="act", min_ppm=50, max_ppm=50, strategy="static")}, OK, ""),
        (settings.RESERVE, {}, OK, ""),
        (settings.RESERVE, {"reserve": ReserveConfig(onchain_sat=0, offchain_sat=1)}, WARNING, "force-close"),
        (settings.RESERVE, {"reserve": ReserveConfig(offchain_sat=0)}, NOTE, "no floor"),
        (settings.RESERVE, {"reserve": ReserveConfig(offchain_sat=1, exempt=("fees",))}, NOTE, "fees go on"),
        (settings.CLASSES, {}, OK, ""),
        (
            settings.CLASSES,
            {"classes": ClassesConfig(dead_days=60), "retention": RetentionConfig(events_days=50)},
            WARNING, "no channel will ever be it",
        ),
    ],
)  # fmt: skip
def test_settings(check: str, changes: dict[str, Any], severity: Severity, words: str) -> None:
    found = worst(settings.settings(config(**changes)), check)
    assert (found.severity, words in found.sentence) == (severity, True), found
    assert found.remedy or severity is not WARNING


@pytest.mark.parametrize(("until_at", "severities"), [(None, [OK]), (NOW + 1, [OK]), (NOW, [NOTE]), (NOW - 1, [NOTE])])
def test_rules_that_are_over(until_at: float | None, severities: list[Severity]) -> None:
    rule = Rule(name="summer", match=Match(), settings={}, until_at=until_at)
    assert [one.severity for one in settings.rules(config(rules=(rule,)), NOW)] == severities
    assert list(settings.rules(config(), NOW)) == []


# --- node

SOCKET = SocketFacts("/l/lightning-rpc", "socket", may_open=True, owner="cln", group="cln", mode=0o600)
INFO = NodeInfo(NODE_ID, "oak", "v26.06.6", "bitcoin", 900_000, 0)
METHODS = frozenset({"getinfo", "getroutes", "askrene-listlayers"})
NODE = NodeFacts(INFO, "listpeerchannels", 0.1, methods=METHODS)


@pytest.mark.parametrize(
    ("facts", "severity", "code", "remedy"),
    [
        (SOCKET, OK, 0, ""),
        (replace(SOCKET, mode=0o660), OK, 0, ""),
        (replace(SOCKET, mode=0o666), WARNING, 0, "rpc-file-mode=0660"),
        (SocketFacts("/l/rpc", "missing"), ERROR, 69, "start lightningd"),
        (SocketFacts("/l/rpc", "other"), ERROR, 78, "lightning-rpc"),
        (SocketFacts("/l/rpc", "forbidden", owner="cln"), ERROR, 77, "sudo -u cln revops doctor"),
        (replace(SOCKET, may_open=False), ERROR, 77, "rpc-file-mode=0660"),
        (replace(SOCKET, may_open=False, mode=0o660), ERROR, 77, "sudo usermod -aG cln ann"),
    ],
)
def test_the_socket(facts: SocketFacts, severity: Severity, code: int, remedy: str) -> None:
    (found,) = node.socket(facts, "ann")
    assert (found.severity, found.exit_code, remedy in found.remedy) == (severity, code, True), found


def test_who_is_in_the_wrong_group_need_not_change_lightningd() -> None:
    assert "rpc-file-mode" not in node.let_in("ann", replace(SOCKET, may_open=False, mode=0o660))


def said_of(facts: NodeFacts, check: str, given: Config | None = None) -> Finding:
    parts = (
        node.answer(facts), node.version(facts), node.chain(facts), node.replies(facts), node.autoclean(facts),
        node.plugins(facts, given or config()), node.ads(facts, given or config()),
    )  # fmt: skip
    return worst([finding for part in parts for finding in part], check)


@pytest.mark.parametrize(
    ("check", "facts", "severity", "code", "words"),
    [
        (node.ANSWER, NODE, OK, 0, "oak answers on bitcoin"),
        (node.ANSWER, replace(NODE, slowest_seconds=2.5), WARNING, 0, "listpeerchannels took the node 2.5 s"),
        (node.VERSION, NODE, OK, 0, "v26.06.6"),
        (node.VERSION, replace(NODE, version_warning="newer"), NOTE, 0, "newer"),
        (node.VERSION, replace(NODE, version_fault="too old"), ERROR, 78, "too old"),
        (node.CHAIN, NODE, OK, 0, "900,000"),
        (node.CHAIN, replace(NODE, info=replace(INFO, sync_warning="Still loading")), ERROR, 75, "Still loading"),
        (node.REPLIES, NODE, OK, 0, "all that a sync reads"),
        (node.REPLIES, replace(NODE, faults=(Fault("listfunds: field x is missing", 65),)), ERROR, 65, "listfunds"),
        (node.ROUTER, NODE, OK, 0, "askrene"),
        (node.ROUTER, replace(NODE, methods=frozenset()), WARNING, 0, "no rebalance can be priced"),
        (node.ROUTER, replace(NODE, methods=None), UNCHECKED, 0, "help"),
        (node.SLING, NODE, OK, 0, "isn't needed"),
        (node.SLING, replace(NODE, sling_version="v4.2.1"), OK, 0, "v4.2.1"),
        (node.SLING, replace(NODE, sling_fault="sling v3.0.0 is too old"), NOTE, 0, "too old"),
        (node.BOOKKEEPER, NODE, OK, 0, "bookkeeper is off"),
        (node.BOOKKEEPER, replace(NODE, methods=METHODS | {"bkpr-listincome"}), OK, 0, "bookkeeper is on"),
        (node.CLBOSS, NODE, OK, 0, "isn't there"),
        (node.CLBOSS, replace(NODE, methods=METHODS | {"clboss-status"}), WARNING, 0, "leave lnfee to revops"),
        (node.AUTOCLEAN, NODE, OK, 0, "deletes nothing"),
        (
            node.AUTOCLEAN, replace(NODE, settings={"autoclean-succeededforwards-age": 3_600}), WARNING, 0,
            "settled forwards",
        ),
        (node.AUTOCLEAN, replace(NODE, settings={"autoclean-failedforwards-age": 604_800}), OK, 0, ""),
        (node.AUTOCLEAN, replace(NODE, settings={"autoclean-networkevents-age": 86_400}), NOTE, 0, "7 days"),
        (node.AUTOCLEAN, replace(NODE, settings={"autoclean-networkevents-age": 2_592_000}), OK, 0, ""),
    ],
)  # fmt: skip
def test_the_node(check: str, facts: NodeFacts, severity: Severity, code: int, words: str) -> None:
    found = said_of(facts, check)
    assert (found.severity, found.exit_code, words in found.sentence) == (severity, code, True), found
    assert found.remedy or severity is not WARNING


@pytest.mark.parametrize(
    ("check", "facts", "given", "severity"),
    [
        (node.ROUTER, replace(NODE, methods=frozenset()), config(rebalance=RebalanceConfig(executor="sling")), NOTE),
        (node.SLING, NODE, config(rebalance=RebalanceConfig(executor="sling")), ERROR),
        (node.SLING, replace(NODE, sling_fault="old"), config(rebalance=RebalanceConfig(executor="sling")), ERROR),
        (node.CLBOSS, NODE, config(clboss=ClbossConfig(unmanage=("lnfee",))), NOTE),
        (node.ADS, NODE, config(), OK),
        (node.ADS, NODE, config(ads=AdsConfig(mode="act")), WARNING),
        (node.ADS, replace(NODE, dual_fund=True), config(ads=AdsConfig(mode="act")), OK),
        (
            node.CLBOSS, replace(NODE, methods=METHODS | {"clboss-status"}),
            config(clboss=ClbossConfig(unmanage=("lnfee",))), NOTE,
        ),
        (
            node.CLBOSS, replace(NODE, methods=METHODS | {"clboss-status"}),
            config(clboss=ClbossConfig(unmanage=("lnfee",)), rebalance=ACTS), WARNING,
        ),
        (node.CLBOSS, replace(NODE, methods=METHODS | {"clboss-status"}), config(fees=FeesConfig()), NOTE),
    ],
)  # fmt: skip
def test_plugins_as_the_configuration_needs_them(
    check: str, facts: NodeFacts, given: Config, severity: Severity
) -> None:
    assert said_of(facts, check, given).severity is severity


def test_a_node_that_does_not_answer_leaves_its_checks_unmade() -> None:
    (found,) = node.answer(Fault("getinfo: nobody listens", 69))
    assert (found.severity, found.exit_code) == (ERROR, 69)
    unmade = list(node.not_asked("the node doesn't answer"))
    assert {one.severity for one in unmade} == {UNCHECKED}
    assert {one.check for one in unmade} == set(node.OF_THE_NODE)


# --- records

DATABASE = DatabaseFacts("/s/revops.sqlite3", path="/s/revops.sqlite3", size_bytes=10, problems=())


@pytest.mark.parametrize(
    ("check", "facts", "severity", "code"),
    [
        (records.DATABASE, DATABASE, OK, 0),
        (records.DATABASE, DatabaseFacts("postgresql://x"), OK, 0),
        (records.INTEGRITY, DatabaseFacts("postgresql://x"), OK, 0),
        (records.DATABASE, DatabaseFacts("/s", Fault("there is no such file", 78)), ERROR, 78),
        (records.INTEGRITY, DatabaseFacts("/s", Fault("there is no such file", 78)), UNCHECKED, 0),
        (records.DATABASE, replace(DATABASE, writable=False), ERROR, 77),
        (records.DATABASE, replace(DATABASE, mode=0o644), WARNING, 0),
        (records.DATABASE, replace(DATABASE, file_system="nfs4"), WARNING, 0),
        (records.DATABASE, replace(DATABASE, file_system="ext4"), OK, 0),
        (records.INTEGRITY, DATABASE, OK, 0),
        (records.INTEGRITY, replace(DATABASE, complete=False), OK, 0),
        (records.INTEGRITY, replace(DATABASE, problems=("Page 3: never used",)), ERROR, 65),
    ],
)
def test_the_database(check: str, facts: DatabaseFacts, severity: Severity, code: int) -> None:
    found = worst(records.database(facts), check)
    assert (found.severity, found.exit_code) == (severity, code), found


@pytest.mark.parametrize(
    ("newest_at", "oldest_run_at", "severity"),
    [
        (NOW - DAY, NOW - 90 * DAY, OK),
        (NOW - 9 * DAY, NOW - 90 * DAY, WARNING),
        (NOW - 9 * DAY, NOW - DAY, WARNING),
        (None, NOW - DAY, NOTE),
        (None, None, NOTE),
        (None, NOW - 9 * DAY, WARNING),
    ],
)
def test_backups(newest_at: float | None, oldest_run_at: float | None, severity: Severity) -> None:
    (found,) = records.backup(BackupFacts("/s/backups", newest_at, oldest_run_at), NOW)
    assert found.severity is severity


def command(
    name: str, ago: float, code: int | None = 0, every: float = 1_800.0, success_ago: float | None = None
) -> Any:
    started = NOW - ago
    last = RunRecord(name, started, None if code is None else started + 1, code, "node away" if code else None)
    succeeded = started + 1 if code == 0 else None if success_ago is None else NOW - success_ago
    return CommandFacts(last, succeeded, tuple(started - number * every for number in range(5)))


RECORDS = RecordFacts(
    node_id=NODE_ID, network="bitcoin", known_node_ids=(NODE_ID,), synced_at=NOW - 60, blockheight=900_000,
    books=Books(10, 4, 6, NOW - 60), reserves=(), suspended=(), reserved_at=(),
    marks=tuple(ClockMark(NOW - hours * HOUR, 900_000 - 6 * hours) for hours in range(1, 13)),
    commands=tuple(command(name, 600.0, every=every) for name, every in EVERY_SECONDS.items()),
    oldest_run_at=NOW - 30 * DAY,
)  # fmt: skip
STANDING = ReserveStanding("onchain", have_msat=105_000_000, floor_msat=100_000_000, resume_msat=110_000_000)
LOW = why(ReasonCode.RESERVE_LOW, where="the wallet", have_sat=1, floor_sat=2, resume_sat=3)


@pytest.mark.parametrize(
    ("check", "facts", "severity", "words"),
    [
        (records.FRESH, RECORDS, OK, "60 s ago"),
        (records.FRESH, replace(RECORDS, synced_at=None), NOTE, "nothing is recorded yet"),
        (records.FRESH, replace(RECORDS, synced_at=NOW + 5 * HOUR), WARNING, "5 h in the future"),
        (records.BOOKS, RECORDS, OK, "agree"),
        (records.BOOKS, replace(RECORDS, books=Books(12, 4, 6, NOW)), WARNING, "differ by 0.002 sat"),
        (records.BOOKS, replace(RECORDS, books=None), NOTE, "aren't compared"),
        (records.BOOKS, replace(RECORDS, books=Books(1, 1, None, NOW)), NOTE, "aren't compared"),
        (records.SPENDING, RECORDS, OK, "nothing is suspended"),
        (records.SPENDING, replace(RECORDS, suspended=(LOW,)), WARNING, "spending is suspended"),
        (records.SPENDING, replace(RECORDS, reserves=(STANDING,)), NOTE, "105,000 sat"),
        (records.SPENDING, replace(RECORDS, reserves=(replace(STANDING, have_msat=200_000_000),)), OK, ""),
        (records.SPENDING, replace(RECORDS, synced_at=None), UNCHECKED, "before the first sync"),
        (records.UNDER_WAY, RECORDS, OK, "0 payments"),
        (records.UNDER_WAY, replace(RECORDS, reserved_at=(NOW - HOUR,)), OK, "1 payment may"),
        (
            records.UNDER_WAY,
            replace(RECORDS, reserved_at=(NOW - HOUR, NOW - 2 * DAY)),
            WARNING,
            "2 payments may be under way, 1 of them for 2 d",
        ),
    ],
)
def test_records(check: str, facts: RecordFacts, severity: Severity, words: str) -> None:
    found = worst(records.records(facts, config(), NOW), check)
    assert (found.severity, words in found.sentence) == (severity, True), found
    assert found.remedy or severity is not WARNING


def test_what_watches_says_so() -> None:
    idle = config(fees=FeesConfig())
    assert "both modes are observe" in worst(records.records(RECORDS, idle, NOW), records.SPENDING).sentence


@pytest.mark.parametrize(
    ("node_id", "known", "severity"),
    [
        (NODE_ID, (NODE_ID,), OK),
        (NODE_ID, ("03" * 33, NODE_ID), OK),
        (NODE_ID, ("03" * 33,), WARNING),
        (None, (NODE_ID,), UNCHECKED),
    ],
)
def test_whose_records_they_are(node_id: str | None, known: tuple[str, ...], severity: Severity) -> None:
    assert (
        worst(records.same_node(replace(RECORDS, known_node_ids=known), node_id), records.SAME_NODE).severity
        is severity
    )


def test_the_ledger() -> None:
    assert records.ledger(None).severity is OK
    found = records.ledger("2 entries are missing")
    assert (found.severity, found.exit_code) == (ERROR, 65)


def with_command(changed: CommandFacts | None, name: str = "sync") -> RecordFacts:
    others = tuple(one for one in RECORDS.commands if one.last.command != name)
    return replace(RECORDS, commands=others if changed is None else (*others, changed))


@pytest.mark.parametrize(
    ("facts", "severity", "words"),
    [
        (RECORDS, OK, "succeeded lately"),
        (replace(RECORDS, commands=()), NOTE, "no command has run yet"),
        (with_command(None), WARNING, "`revops sync` has never run, 30 d after"),
        (replace(with_command(None), oldest_run_at=NOW - 1_000), OK, ""),
        # Half an hour by crontab.example: late after two runs and five minutes.
        (with_command(command("sync", 3_800.0)), OK, ""),
        (with_command(command("sync", 4_000.0)), WARNING, "has not run since 66 min, and is expected every 30 min"),
        # Whoever runs it every six hours is late after twelve.
        (with_command(command("sync", 8 * HOUR, every=6 * HOUR)), OK, ""),
        (with_command(command("sync", 13 * HOUR, every=6 * HOUR)), WARNING, "every 6 h"),
        # One by hand in between doesn't make it due more often.
        (with_command(command("sync", 3_000.0, every=60.0)), OK, ""),
        (with_command(command("sync", 60.0, code=69, success_ago=2 * HOUR)), WARNING, "exit code 69: node away"),
        (with_command(command("sync", 60.0, code=69, success_ago=HOUR / 2)), OK, ""),
        (with_command(command("sync", 60.0, code=None, success_ago=2 * HOUR)), WARNING, "was killed, or runs now"),
        (with_command(command("sync", 60.0, code=69, every=3_600.0)), WARNING, "has never succeeded"),
        (with_command(command("sync", 60.0, code=69, every=60.0)), OK, ""),
        (with_command(command("rollup", 1.5 * DAY, every=DAY), "rollup"), OK, ""),
        (with_command(command("rollup", 2.5 * DAY, every=DAY), "rollup"), WARNING, "`revops rollup` has not run"),
    ],
)
def test_cron(facts: RecordFacts, severity: Severity, words: str) -> None:
    found = worst(records.cron(facts, NOW), records.CRON)
    assert (found.severity, words in found.sentence) == (severity, True), found


# --- machine

ROOT = FolderStep("/", 0, 0, 0o755)
FOLDER = FolderStep("/p", 0, 0, 0o755)
EXPORTER = ExporterFacts("prometheus", 110, frozenset({115}), "")
TEXTFILE = TextfileFacts("/p", exists=True, writable=True, steps=(ROOT, FOLDER), exporters=(EXPORTER,))


@pytest.mark.parametrize(
    ("check", "facts", "severity", "code", "words"),
    [
        (machine.TEXTFILE, TextfileFacts("", exists=False), NOTE, 0, "no .prom files"),
        (
            machine.TEXTFILE, TextfileFacts("", exists=False, exporters=(replace(EXPORTER, folder="/q"),)), NOTE, 0,
            "node_exporter reads /q",
        ),
        (machine.TEXTFILE, TextfileFacts("/p", exists=False), ERROR, 73, "every run fails at its end"),
        (machine.TEXTFILE, replace(TEXTFILE, writable=False), ERROR, 77, "may not write"),
        (machine.TEXTFILE, TEXTFILE, OK, 0, "/p"),
        (machine.EXPORTER, TEXTFILE, OK, 0, "prometheus"),
        (machine.EXPORTER, replace(TEXTFILE, exporters=()), NOTE, 0, "no node_exporter"),
        (machine.EXPORTER, replace(TEXTFILE, exporters=(replace(EXPORTER, folder="/p/"),)), OK, 0, ""),
        (machine.EXPORTER, replace(TEXTFILE, exporters=(replace(EXPORTER, folder="/q"),)), WARNING, 0, "reads /q"),
        (machine.EXPORTER, replace(TEXTFILE, steps=(ROOT, replace(FOLDER, mode=0o700))), WARNING, 0, "enter /p"),
        (machine.EXPORTER, replace(TEXTFILE, steps=(replace(ROOT, mode=0o700), FOLDER)), WARNING, 0, "may not enter /"),
        # On the way to it nobody needs to list a folder.
        (machine.EXPORTER, replace(TEXTFILE, steps=(replace(ROOT, mode=0o711), FOLDER)), OK, 0, ""),
        (machine.EXPORTER, replace(TEXTFILE, steps=(ROOT, replace(FOLDER, mode=0o711))), WARNING, 0, "may not enter"),
        (machine.EXPORTER, replace(TEXTFILE, steps=(ROOT, FolderStep("/p", 0, 115, 0o750))), OK, 0, ""),
        (machine.EXPORTER, replace(TEXTFILE, steps=(ROOT, FolderStep("/p", 110, 0, 0o500))), OK, 0, ""),
        (
            machine.EXPORTER, replace(TEXTFILE, exporters=(), steps=(ROOT, replace(FOLDER, mode=0o770))), WARNING, 0,
            "another user may not enter",
        ),
        (machine.EXPORTER, replace(TEXTFILE, files=(("revops_a.prom", 0o600),)), WARNING, 0, "revops_a.prom"),
        (machine.EXPORTER, replace(TEXTFILE, files=(("revops_a.prom", 0o644),)), OK, 0, ""),
    ],
)  # fmt: skip
def test_the_textfile_folder(check: str, facts: TextfileFacts, severity: Severity, code: int, words: str) -> None:
    found = worst(machine.textfile(facts), check)
    assert (found.severity, found.exit_code, words in found.sentence) == (severity, code, True), found


def test_root_may_enter_anything() -> None:
    assert machine.may(replace(FOLDER, mode=0), replace(EXPORTER, uid=0), 5)


DISK = DiskFacts("the database", "/s", 10**11, 10**12, 10**6, 10**6, read_only=False)


@pytest.mark.parametrize(
    ("facts", "severity", "code", "words"),
    [
        (DISK, OK, 0, "free: 100.0 GB for the database"),
        (replace(DISK, free_bytes=400_000_000), WARNING, 0, "400 MB of 1,000.0 GB"),
        (replace(DISK, free_bytes=4_000_000), ERROR, 74, "4 MB"),
        (replace(DISK, read_only=True), ERROR, 74, "read-only"),
        (replace(DISK, free_inodes=10), WARNING, 0, "10 inodes"),
        # Some file systems have no inodes to run out of.
        (replace(DISK, free_inodes=0, total_inodes=0), OK, 0, ""),
    ],
)
def test_disks(facts: DiskFacts, severity: Severity, code: int, words: str) -> None:
    found = worst(machine.disks((facts,)), machine.DISKS)
    assert (found.severity, found.exit_code, words in found.sentence) == (severity, code, True), found


@pytest.mark.parametrize(
    ("facts", "severity", "words"),
    [
        ((), OK, "none is held for long"),
        ((LockFacts("/s/a.lock", usable=True),), OK, "none is held for long"),
        ((LockFacts("/s/a.lock", usable=False),), ERROR, "/s/a.lock"),
        ((LockFacts("/s/a.lock", True, 7, "sync", NOW - 60),), OK, "`revops sync` runs now"),
        ((LockFacts("/s/a.lock", True, 7, "sync", NOW - 2 * HOUR),), WARNING, "(process 7) has held /s/a.lock for 2 h"),
    ],
)
def test_locks(facts: tuple[LockFacts, ...], severity: Severity, words: str) -> None:
    found = worst(machine.locks(facts, NOW), machine.LOCKS)
    assert (found.severity, words in found.sentence) == (severity, True), found


@pytest.mark.parametrize(
    ("now", "synchronised", "facts", "height", "severity"),
    [
        (NOW, True, RECORDS, 900_000, OK),
        (NOW, None, RECORDS, 900_000, OK),
        (NOW, True, RECORDS, None, OK),
        (NOW, False, RECORDS, 900_000, NOTE),
        (NOW, True, None, None, UNCHECKED),
        (NOW, True, replace(RECORDS, marks=()), 900_000, OK),
        # A day on, and no block found meanwhile.
        (NOW + DAY, True, RECORDS, 900_000, WARNING),
        # That may be, where the node isn't there to tell of the blocks.
        (NOW + DAY, True, RECORDS, None, OK),
        (NOW + DAY, True, RECORDS, 900_144, OK),
        (NOW - DAY, True, RECORDS, 900_000, WARNING),
    ],
)
def test_the_clock(
    now: float, synchronised: bool | None, facts: RecordFacts | None, height: int | None, severity: Severity
) -> None:
    found = worst(machine.clock(ClockFacts(now, synchronised), facts, height), machine.CLOCK)
    assert found.severity is severity, found


# --- the companion plugin


def spool(last_line_at: float | None, fault: str | None = None, *, read_to_at: float | None = None) -> RecorderStatus:
    place = None if read_to_at is None else SpoolPlace(1, 0, "a", 1)
    return RecorderStatus(NOW, "/spool", fault, None, last_line_at, RecorderRecord(read_to_at, place=place), NOW)


@pytest.mark.parametrize(
    ("status", "severity", "words"),
    [
        (spool(None, "Permission denied"), WARNING, "can't be read: Permission denied"),
        (spool(None), WARNING, "has no line yet"),
        (spool(NOW - 91.0, read_to_at=NOW - 91.0), WARNING, "nothing for 91 s"),
        (spool(NOW + DAY, read_to_at=NOW + DAY), WARNING, "nothing since the clock was set back"),
        (spool(NOW + 600.0, read_to_at=NOW), OK, "read to"),
        (spool(NOW - 90.0), NOTE, "nothing of it is read yet"),
        (spool(NOW - 5.0, read_to_at=NOW - 65.0), OK, "read to 60 s before its last line"),
        (spool(NOW - 5.0, read_to_at=NOW), OK, "read to 0 s before its last line"),
    ],
)
def test_the_plugin_that_should_write_does(status: RecorderStatus, severity: Severity, words: str) -> None:
    found = worst(recorder.recorder(status, node_answers=True), recorder.RECORDER)
    assert found.severity is severity
    assert words in found.sentence


@pytest.mark.parametrize(("last_line_at", "severity"), [(None, UNCHECKED), (NOW - DAY, UNCHECKED), (NOW, OK)])
def test_the_silence_of_a_plugin_whose_node_is_down_tells_nothing(last_line_at, severity) -> None:
    found = worst(recorder.recorder(spool(last_line_at, read_to_at=NOW), node_answers=False), recorder.RECORDER)
    assert found.severity is severity


def test_a_plugin_that_nobody_asked_for_is_not_missed() -> None:
    assert list(recorder.recorder(replace(spool(None), spool_dir=""), node_answers=True)) == []
