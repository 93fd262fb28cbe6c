"""`revops doctor`: look at everything that can be wrong, and say how to mend it.

It works where something is missing: that is when it is needed. Each part is looked at by itself, so that one that
breaks takes no other with it; what isn't there is another one's finding. It reads, and nothing else: no lock is taken,
no run recorded, no metric written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from revops import config as configuration
from revops.config import ConfigFaults, NoConfig
from revops.cycle import doctor_machine, doctor_records
from revops.cycle.doctor_node import node_facts, rpc_for
from revops.cycle.find_node import default_rpc_paths, find_rpc
from revops.cycle.processes import user_name
from revops.cycle.session import Clock
from revops.decide.doctor import findings as verdict
from revops.decide.doctor import machine, node, recorder, records, settings
from revops.domain.health import ConfigFacts, DoctorReport, Fault, Finding, NodeFacts, RecordFacts
from revops.domain.options import CommonOptions
from revops.domain.policy import Config
from revops.errors import ConfigError, RevopsError

COMMAND: Final = "doctor"


@dataclass
class _Look:
    """What has been found so far, and what later parts need to know of earlier ones."""

    now: float
    findings: list[Finding] = field(default_factory=list)
    facts: NodeFacts | Fault | None = None
    records: RecordFacts | None = None
    call_count: int = 0

    def take(self, name: str, part: Callable[[], Iterable[Finding]]) -> None:
        """Make one part of the look; where it breaks, that is its finding."""
        try:
            self.findings += part()
        except RevopsError as error:
            self.findings.append(verdict.faulty(name, Fault(str(error), error.exit_code)))
        except Exception as error:  # noqa: BLE001  # whatever breaks here must not hide what else is wrong
            told = f"this check itself failed: {type(error).__name__}: {error}"
            self.findings.append(verdict.error(name, told, "please report this", verdict.BUG))

    @property
    def node_id(self) -> str | None:
        """The node that answers."""
        return self.facts.info.node_id if isinstance(self.facts, NodeFacts) else None

    @property
    def blockheight(self) -> int | None:
        """The height that it tells."""
        return self.facts.info.blockheight if isinstance(self.facts, NodeFacts) else None


def run(options: CommonOptions, clock: Clock = time.time) -> DoctorReport:
    """Given the flags, return all findings. Raises nothing that a part could meet: each error is a finding."""
    begun, look = time.monotonic(), _Look(clock())
    facts = config_facts(options)
    look.take(settings.FILE, lambda: settings.file(facts))
    config = facts.config
    if config is not None:
        if not facts.faults:
            look.take(settings.MONEY, lambda: settings.settings(config))
            look.take(settings.RULES, lambda: settings.rules(config, look.now))
        look.take(node.SOCKET, lambda: _node(look, config))
        if facts.missing and not doctor_records.is_there(config):
            look.take(records.DATABASE, records.not_made)
        else:
            look.take(records.DATABASE, lambda: _records(look, config))
        look.take(machine.TEXTFILE, lambda: machine.textfile(doctor_machine.textfile_facts(config)))
        look.take(machine.DISKS, lambda: machine.disks(doctor_machine.disk_facts(config)))
        look.take(machine.LOCKS, lambda: machine.locks(doctor_machine.lock_facts(config), look.now))
    clock_facts = doctor_machine.clock_facts(look.now)
    look.take(machine.CLOCK, lambda: machine.clock(clock_facts, look.records, look.blockheight))
    return DoctorReport(
        taken_at=look.now,
        duration_seconds=round(time.monotonic() - begun, 3),
        config_path=facts.path,
        call_count=look.call_count,
        exit_code=verdict.exit_code_of(look.findings),
        findings=verdict.ordered(look.findings),
    )


def config_facts(options: CommonOptions) -> ConfigFacts:
    """Given the flags, return the configuration, or what of it holds, with its faults."""
    variables = options.environment if options.environment is not None else os.environ
    try:
        loaded = configuration.read(options)
    except ConfigFaults as error:
        faults = tuple(Fault(fault, error.exit_code) for fault in error.faults)
        return ConfigFacts(None, _what_holds(options), faults)
    except RevopsError as error:
        fault = Fault(str(error), error.exit_code)
        return ConfigFacts(None, _what_holds(options), (fault,), missing=isinstance(error, NoConfig))
    named = tuple(sorted(origin for origin in set(loaded.origins.values()) if origin in variables))
    return ConfigFacts(str(loaded.path), loaded.config, (), loaded.warnings, named)


def _what_holds(options: CommonOptions) -> Config | None:
    try:
        return configuration.sound(options, str(_likely_rpc()))
    except ConfigError:  # not even a home directory
        return None


def _likely_rpc() -> Path:
    try:
        return find_rpc(None)
    except RevopsError:  # that there is none is what the check of the socket says
        return default_rpc_paths()[0]


def _node(look: _Look, config: Config) -> Iterator[Finding]:
    path = Path(config.node.rpc_path).expanduser()
    found = doctor_machine.socket_facts(path)
    yield from node.socket(found, user_name(os.getuid()))
    if found.kind != "socket" or not found.may_open:
        yield from node.not_asked("the socket can't be opened")
        return
    rpc = rpc_for(path)
    look.facts = facts = node_facts(rpc, look.now)
    look.call_count = rpc.call_count
    yield from node.answer(facts)
    if isinstance(facts, Fault):
        yield from node.not_asked("the node doesn't answer")
        return
    for check in (node.version, node.chain, node.replies, node.autoclean):
        yield from check(facts)
    yield from node.plugins(facts, config)
    yield from node.ads(facts, config)


def _records(look: _Look, config: Config) -> Iterator[Finding]:
    with doctor_records.opened(config) as opened:
        yield from records.database(opened.facts)
        database = opened.database
        if database is None:
            for check in (records.FRESH, records.CRON):
                yield verdict.unchecked(check, "the database can't be opened")
            return
        key = doctor_records.node_key(database, config, look.node_id)
        if key is None:
            yield records.unknown_node()
            return
        look.records = facts = doctor_records.record_facts(database, config, key, look.now)
        yield from records.same_node(facts, look.node_id)
        yield records.ledger(doctor_records.ledger_gap(database, key))
        yield from records.records(facts, config, look.now)
        yield from records.cron(facts, look.now)
        spool = doctor_records.recorder_facts(database, config, key, look.now)
        yield from recorder.recorder(spool, node_answers=look.node_id is not None)
        if opened.facts.path is not None:
            yield from records.backup(doctor_records.backup_facts(config, facts.oldest_run_at), look.now)
