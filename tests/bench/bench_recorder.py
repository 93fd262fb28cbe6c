"""How many payments a second does a real node forward without the companion plugin, with it, and with the syncs that it
starts? `PATH=...:$PATH python -m tests.bench.bench_recorder [--rounds N] [--payments N]`, with lightningd on the PATH

One node between two others; in each round a block of payments for each way, in an order that turns round, so that what
else the machine does falls on all of them alike. The plugin is started and stopped between the blocks. Printed are the
rates, the processor's time of the node itself for a payment, and the ratios to the same round's block without the
plugin. Give TMPDIR a folder in memory. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from revops.domain.recorder import LineKind
from tests.recorder.node import count, lines_of, until
from tests.regtest.network import Lightningd
from tests.regtest.operator_home import Operator
from tests.regtest.street import Street
from tests.regtest.test_regtest_recorder import open_channels, plugin_pid, script

AMOUNT_MSAT = 1_000_000
#: Payments under way at once.
AT_ONCE = 20
WARM_UP = 60
WAYS = ("without", "recording", "syncing")


class Client:
    """A connection to a node's socket: no process for a call, so that the node is what is measured."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(120)
        self._socket.connect(str(path))
        self._ids = itertools.count(1)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result; raise RuntimeError where there is none."""
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        self._socket.sendall(json.dumps(request).encode())
        data = b""
        while not data.endswith(b"\n\n"):
            more = self._socket.recv(65_536)
            if not more:
                raise RuntimeError(f"{method}: the node is gone")
            data += more
        answer = json.loads(data)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result


def route_of(street: Street, payer: Lightningd, payee: Lightningd) -> list[dict[str, Any]]:
    out = street.channel(street.alice, payee)
    terms = out["updates"]["local"]
    fee_msat = terms["fee_base_msat"] + AMOUNT_MSAT * terms["fee_proportional_millionths"] // 1_000_000
    into = street.channel(payer, street.alice)["short_channel_id"]
    return [
        {"id": street.alice.node_id, "channel": into, "amount_msat": AMOUNT_MSAT + fee_msat, "delay": 60},
        {"id": payee.node_id, "channel": out["short_channel_id"], "amount_msat": AMOUNT_MSAT, "delay": 20},
    ]


class Payments:
    """Payments from carol to bob by way of alice, and back again so that neither side runs dry."""

    def __init__(self, street: Street) -> None:
        self.ends = [street.neighbours["carol"], street.neighbours["bob"]]
        self.routes = [route_of(street, *self.ends), route_of(street, *reversed(self.ends))]
        self.clients = [[Client(end.rpc_path) for _ in range(AT_ONCE)] for end in self.ends]
        self.labels = itertools.count(1)

    def rate(self, payment_count: int) -> float:
        """Make so many payments, half of them each way, and return how many a second that were."""
        invoices = [
            (way, self.clients[1 - way][0].call(
                "invoice", amount_msat=AMOUNT_MSAT, label=f"bench-{next(self.labels)}", description="bench"
            ))
            for _ in range(payment_count // 2)
            for way in (0, 1)
        ]  # fmt: skip
        began_at = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            shares = [invoices[start::AT_ONCE] for start in range(AT_ONCE)]
            for done in [pool.submit(self._pay, place, share) for place, share in enumerate(shares)]:
                done.result()
        return len(invoices) / (time.monotonic() - began_at)

    def _pay(self, place: int, invoices: Sequence[tuple[int, dict[str, Any]]]) -> None:
        for way, invoice in invoices:
            client, payment_hash = self.clients[way][place], invoice["payment_hash"]
            secret = invoice["payment_secret"]
            client.call("sendpay", route=self.routes[way], payment_hash=payment_hash, payment_secret=secret)
            client.call("waitsendpay", payment_hash=payment_hash, timeout=60)


def processor_seconds(street: Street) -> float:
    """The node's own, with its daemons and without our plugin."""
    node, plugin, ticks = street.alice.daemon.pid, plugin_pid(street), 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        if pid != plugin and node in {pid, int(fields[1])}:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main(rounds: int, payment_count: int) -> None:
    """Measure, and print what was found."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="b-")))
        operator = Operator(folder / "home")
        street = Street(folder / "n", stack, {"bob": (), "carol": ()})
        assert operator.run("init", "--rpc-path", str(street.alice.rpc_path)).code == 0
        program = script(folder / "recorder", f"exec {shlex.quote(sys.executable)} -m revops.recorder")
        spool = folder / "spool"
        sync = script(
            folder / "sync",
            f"export HOME={operator.home} REVOPS_CONFIG={operator.config_path} REVOPS_RECORDER_SPOOL_DIR={spool}",
            f"export REVOPS_METRICS_TEXTFILE_DIR={operator.metrics_dir}",
            f"exec {shlex.quote(sys.executable)} -m revops sync -q",
        )
        open_channels(street)
        balance(street)
        payments = Payments(street)
        rates: dict[str, list[float]] = {way: [] for way in WAYS}
        costs: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(rounds):
            for way in turned(number):
                if way != "without":
                    start(street, program, spool, sync if way == "syncing" else None)
                payments.rate(WARM_UP)
                before, used_seconds = count(spool, LineKind.FORWARD), processor_seconds(street)
                rates[way].append(payments.rate(payment_count))
                costs[way].append((processor_seconds(street) - used_seconds) / payment_count)
                if way != "without":
                    until("lines", partial(_are_written, spool, before + 2 * payment_count))
                    street.alice.call("plugin", subcommand="stop", plugin=str(program))
                    until("end of the plugin", lambda: plugin_pid(street) is None)
                cost = f"{1_000 * costs[way][-1]:.2f} ms of processor a payment"
                print(f"round {number + 1} {way:9} {rates[way][-1]:7.1f}/s, {cost}", flush=True)
        print("payments a second")
        report(rates)
        print("the node's own processor time for a payment, in seconds")
        report(costs)
        print(f"dropped events: {sum(line.dropped_count for line in lines_of(spool))}")


def balance(street: Street) -> None:
    """Let bob have half of what alice has on their channel, and alice half of carol's."""
    for payer, payee in ((street.neighbours["carol"], street.alice), (street.alice, street.neighbours["bob"])):
        street.send(payer, payee, amount_msat=400_000_000)


def _are_written(spool: Path, line_count: int) -> bool:
    return count(spool, LineKind.FORWARD) >= line_count


def turned(number: int) -> tuple[str, ...]:
    order = WAYS[number % 3 :] + WAYS[: number % 3]
    return order if number % 2 == 0 else order[::-1]


def start(street: Street, program: Path, spool: Path, sync: Path | None) -> None:
    street.alice.call(
        "plugin", subcommand="start", plugin=str(program),
        **{"revops-recorder-spool": str(spool), "revops-recorder-sync": "" if sync is None else str(sync)},
    )  # fmt: skip


def report(found: dict[str, list[float]]) -> None:
    """Of each way the figures, and the ratios to the blocks without the plugin."""
    for way, figures in found.items():
        print(f"  {way:9} median {statistics.median(figures):9.4f}, {min(figures):.4f} to {max(figures):.4f}")
    for way in WAYS[1:]:
        ratios = [figure / without for figure, without in zip(found[way], found["without"], strict=True)]
        error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else 0.0
        listed = " ".join(f"{ratio:.2f}" for ratio in ratios)
        middle = f"median {statistics.median(ratios):.3f}, mean {statistics.fmean(ratios):.3f}"
        print(f"  {way} / without: {middle} +- {error:.3f} (standard error): {listed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--payments", type=int, default=300)
    given = parser.parse_args()
    main(given.rounds, given.payments)
