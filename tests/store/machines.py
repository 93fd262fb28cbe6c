"""What state machines on a store share: forwards under names of which some are explained later, runs that are broken
off, and how a machine is run on a database.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from revops.domain.listed import Forward
from revops.store import scids
from revops.store.engine import Database, Tx
from tests.builders import NOW, channel_id
from tests.store.rows import new_node, record, scid

CHANNELS = (1, 2, 3)
rarely = st.sampled_from([False] * 6 + [True])


class ForwardMachine(RuleBasedStateMachine):
    """A store of one node with three channels, and names that forwards may come by."""

    #: No more names than these are made up.
    most_names = 9

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.node_key = database, new_node(database)
        self.names = [scid(number) for number in CHANNELS]
        self.unknown: list[str] = []
        self.count = self.updates = 0
        self.pages: list[list[Forward]] = []
        with database.transaction(self.node_key) as tx:
            record(tx, *CHANNELS)

    def committed(self, work: Callable[[Tx], object], crash: bool) -> bool:
        """Do something in a transaction, which a crash breaks off at its end; return whether it was done."""
        try:
            with self.database.transaction(self.node_key) as tx:
                work(tx)
                if crash:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            return False
        return True

    @precondition(lambda self: len(self.names) < self.most_names)
    @rule()
    def a_name_that_nobody_explains(self) -> None:
        name = f"{len(self.names)}x9x9"
        self.committed(lambda tx: scids.add_placeholder(tx, name, NOW), False)
        self.names.append(name)
        self.unknown.append(name)

    @precondition(lambda self: self.unknown)
    @rule(number=st.sampled_from(CHANNELS), crash=rarely)
    def explained(self, number: int, crash: bool) -> None:
        self.explain(self.unknown[-1], number, crash)

    def explain(self, name: str, number: int, crash: bool) -> bool:
        """Tell whose name it is; return whether that was recorded."""
        done = self.committed(lambda tx: scids.attach_scids(tx, {name: channel_id(number)}), crash)
        if done:
            self.unknown.pop()
        return done


def run_on(
    database: Database, make: Callable[[Database], RuleBasedStateMachine], *, example_count: int, step_count: int
) -> None:
    """Given a database and what makes a machine on it, run that many examples of it."""
    profile = settings(
        max_examples=example_count,
        stateful_step_count=step_count,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.generate],  # shrinking a failure takes minutes on a database, and so few steps can be read
    )
    # Its type asks for a class; all that it does with one is to call it.
    factory = cast("type[RuleBasedStateMachine]", partial(make, database))
    run_state_machine_as_test(factory, settings=profile)
