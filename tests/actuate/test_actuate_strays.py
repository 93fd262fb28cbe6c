"""A database that was put back from a backup, or a second one: what the first has spent isn't spent once more."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from revops.cycle import strays
from revops.domain.reason import ReasonCode
from revops.errors import DataError
from revops.store import cursors
from revops.store.engine import Database
from tests.actuate.bench import HOUR, NODE_KEY, Bench


def backup(bench: Bench) -> Path:
    bench.database.close()
    shutil.copy(bench.folder / "db", bench.folder / "backup")
    bench.database = Database.open(bench.settings["database"]["url"])
    return bench.folder / "backup"


def put_back(bench: Bench, copy: Path) -> None:
    bench.database.close()
    for name in ("db-wal", "db-shm"):
        (bench.folder / name).unlink(missing_ok=True)
    shutil.copy(copy, bench.folder / "db")
    bench.database = Database.open(bench.settings["database"]["url"])


def spend_and_forget(bench: Bench, template: Path | None = None, *, hold: bool = False) -> int:
    """Pay for a refill, and put back a database of before (None: a copy of it; else a new one); return its cost."""
    copy = template or backup(bench)
    bench.plan()
    bench.node.hold_payments(hold)
    bench.run()
    put_back(bench, copy)
    (payment,) = bench.payments()
    cost_msat: int = payment["amount_sent_msat"] - payment["amount_msat"]
    assert cost_msat > 0
    return cost_msat


def known_up_to(bench: Bench) -> int:
    with bench.database.read(NODE_KEY) as tx:
        return cursors.cursor(tx, cursors.SENT_PAYMENTS)


@pytest.mark.parametrize("second", [False, True], ids=["put back", "a second database"])
def test_what_was_forgotten_is_booked_before_anything_is_spent(
    bench: Bench, template: Path, caplog: pytest.LogCaptureFixture, second: bool
) -> None:
    cost_msat = spend_and_forget(bench, template if second else None)
    bench.settings["budget"]["daily_sat"] = math.ceil(cost_msat / 1_000)
    bench.plan()
    assert bench.entries() == []
    (job,) = bench.run().jobs
    assert job.reason is not None
    assert (job.status, job.reason.code) == ("failed", ReasonCode.BUDGET_EXHAUSTED), "else it would be spent twice"
    assert bench.entries() == [("reserve", cost_msat), ("settle", cost_msat)]
    assert bench.totals().spent_day_msat == bench.spent_msat == cost_msat
    found = bench.job()
    assert (found.status, found.fee_msat, found.plan_key) == ("settled", cost_msat, 0)
    assert [step.note for step in bench.steps(found)] == ["found on the node: this database knew nothing of it"]
    assert f"its {cost_msat} msat are booked as rebalance job {found.job_key}" in caplog.text
    bench.check(final=True)
    bench.settings["budget"]["daily_sat"] = 300
    bench.plan()
    bench.run()
    assert len(bench.entries()) == 4, "one more is paid, and the first is booked once"
    bench.check(final=True)


def test_nothing_is_spent_while_one_that_was_forgotten_is_under_way(bench: Bench) -> None:
    cost_msat = spend_and_forget(bench, hold=True)
    bench.plan()
    sent = len(bench.calls("sendpay"))
    for _ in range(2):
        summary = bench.run()
        assert [reason.code for reason in summary.reasons] == [ReasonCode.STRAY_PAYMENTS]
        assert len(bench.calls("sendpay")) == sent
        assert (bench.entries(), known_up_to(bench)) == ([], 0)
    bench.node.hold_payments(False)
    bench.run()
    assert bench.entries()[:2] == [("reserve", cost_msat), ("settle", cost_msat)]
    assert len(bench.calls("sendpay")) == sent + 1
    bench.check(final=True)


def test_nothing_is_spent_while_the_moves_lack_what_was_forgotten(bench: Bench) -> None:
    cost_msat = spend_and_forget(bench)
    bench.plan()
    bench.node.false_reply("listchannelmoves", {"channelmoves": []})
    with bench.database.transaction(NODE_KEY) as tx:
        tx.connection.exec_driver_sql("DELETE FROM rebalance_payment")
        tx.connection.exec_driver_sql("DELETE FROM channel_move")
        tx.connection.exec_driver_sql("DELETE FROM cursor WHERE name = 'channelmoves_created'")
    assert [reason.code for reason in bench.run().reasons] == [ReasonCode.STRAY_PAYMENTS]
    assert bench.entries() == []
    bench.node.false_reply("listchannelmoves", None)
    bench.run()
    assert bench.entries()[:2] == [("reserve", cost_msat), ("settle", cost_msat)]
    bench.check(final=True)


def test_what_failed_cost_nothing_and_what_is_old_is_in_no_window(bench: Bench) -> None:
    copy = backup(bench)
    bench.plan()
    bench.node.fail_payments(count=1)
    bench.run()
    put_back(bench, copy)
    spend_msat = bench.spent_msat
    assert spend_msat == 0
    bench.plan()
    bench.run()
    assert [job.plan_key for job in bench.jobs()] == [1]
    bench.check(final=True)
    put_back(bench, copy)
    bench.node.days(11)
    bench.sync()
    bench.run()
    assert bench.entries() == []
    assert known_up_to(bench) == 2


@pytest.mark.parametrize("label", [None, "rebalance", "revops-1-1-1", "revops-1-1-1-1x", " revops-1-1-1-1"])
def test_payments_of_others_are_passed(bench: Bench, label: str | None) -> None:
    spend_and_forget(bench)
    (payment,) = bench.node.world.payments
    payment.label = label
    bench.run()
    assert (bench.entries(), known_up_to(bench)) == ([], 1)


def test_each_payment_is_looked_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strays, "PAGE_SIZE", 2)
    bench.settings["budget"] |= {"daily_sat": 1_000, "weekly_sat": 3_000}
    copy = backup(bench)
    for _ in range(3):
        bench.plan()
        bench.run()
        bench.node.advance_by(HOUR)
    assert len(bench.payments()) == 3
    put_back(bench, copy)
    before = len(bench.calls("listsendpays"))
    for _ in range(2):
        bench.run()
    starts = [params["start"] for params in bench.calls("listsendpays")[before:] if "start" in params]
    assert starts == [1, 3, 4]
    assert known_up_to(bench) == 3
    assert bench.totals().spent_week_msat == bench.spent_msat
    bench.check(final=True)


def test_none_is_passed_behind_one_that_is_under_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strays, "PAGE_SIZE", 1)
    bench.settings["budget"] |= {"daily_sat": 1_000, "weekly_sat": 3_000}
    copy = backup(bench)
    bench.plan(2)
    bench.run()
    put_back(bench, copy)
    first, second = bench.node.world.payments
    first.status, completed = "pending", first.status
    for _ in range(2):
        bench.run()
        assert (known_up_to(bench), len(bench.entries())) == (0, 2), "the second is booked once"
    first.status = completed
    bench.run()
    assert (known_up_to(bench), len(bench.entries())) == (second.created_index, 4)
    bench.check(final=True)


def test_a_payment_that_is_listed_twice_is_booked_once(bench: Bench) -> None:
    cost_msat = spend_and_forget(bench)
    (row,) = bench.payments()
    bench.node.false_reply("listsendpays", {"payments": [row, row | {"created_index": 2, "groupid": 2}]})
    bench.run()
    assert bench.entries() == [("reserve", cost_msat), ("settle", cost_msat)]


def test_one_that_seems_to_be_under_way_for_longer_than_any_can_be_stops_nothing(bench: Bench) -> None:
    spend_and_forget(bench)
    (payment,) = bench.node.world.payments
    payment.status = "pending"
    bench.node.days(24)
    bench.sync()
    assert [reason.code for reason in bench.run().reasons] == [ReasonCode.STRAY_PAYMENTS]
    bench.node.days(2)
    bench.sync()
    assert (bench.run().reasons, known_up_to(bench)) == ((), 1)


def test_a_list_that_begins_too_early_is_refused(bench: Bench) -> None:
    bench.plan()
    bench.run()
    bench.run()
    assert known_up_to(bench) == 1
    bench.node.false_reply("listsendpays", bench.node.answer("listsendpays", {}))
    bench.plan()
    sent = len(bench.calls("sendpay"))
    with pytest.raises(DataError, match="a row was listed where 2 was the first asked"):
        bench.run()
    assert len(bench.calls("sendpay")) == sent
