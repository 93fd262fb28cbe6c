"""A made node behind a unix socket, spoken to as lightningd is: `python -m tests.books.served SOCKET`.

A process of its own, so that what it costs to make up the rows isn't counted with whoever reads them. It answers what a
sync asks, one connection after the other, until it is killed; it says "ready" once it listens.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from revops.domain.channel import Channel, Terms
from tests.books.made import MadeNode
from tests.books.traffic import OFFERED, REFUSED

_NAMES: Final = ("offered", "settled", "local_failed", "failed")
_NO_LIMIT_MSAT: Final = 2**64 - 1
Params = dict[str, Any]


class Served:
    """Answers requests with the JSON text of their results."""

    def __init__(self, node: MadeNode) -> None:
        self.node = node
        self._answers: dict[str, Callable[[Params], str]] = {
            "getinfo": self._info,
            "listpeerchannels": self._channels,
            "listclosedchannels": self._closed,
            "listfunds": self._funds,
            "feerates": lambda _: '{"perkw":{"floor":253,"min_acceptable":253,"max_acceptable":9000,"estimates":[]}}',
            "listnodes": lambda given: json.dumps({"nodes": [{"nodeid": given["id"], "alias": given["id"][-6:]}]}),
            "wait": self._wait,
            "listforwards": lambda given: '{"forwards":[' + ",".join(self._forwards(given)) + "]}",
            "listchannelmoves": lambda given: '{"channelmoves":[' + ",".join(self._channel_moves(given)) + "]}",
            "listchainmoves": self._chain_moves,
            "listnetworkevents": self._events,
        }

    def answer(self, request: dict[str, Any]) -> bytes:
        """Given a request, return the bytes of the reply."""
        start = f'{{"jsonrpc":"2.0","id":{json.dumps(request["id"])},'
        answer = self._answers.get(request["method"])
        if answer is None:
            return (start + '"error":{"code":-32601,"message":"Unknown command"}}\n\n').encode()
        return f'{start}"result":{answer(request.get("params") or {})}}}\n\n'.encode()

    def _info(self, _: Params) -> str:
        info = self.node.info()
        return json.dumps(
            {
                "id": info.node_id,
                "alias": info.alias,
                "version": info.version,
                "network": info.network,
                "blockheight": info.blockheight,
                "fees_collected_msat": info.fees_collected_msat,
            }
        )

    def _channels(self, given: Params) -> str:
        scid = given.get("short_channel_id")
        one = None if scid is None else self.node.channel_by_scid(scid)
        listed = self.node.channels() if scid is None else (() if one is None else (one,))
        return json.dumps({"channels": [_channel(channel) for channel in listed]})

    def _closed(self, _: Params) -> str:
        rows = [
            {
                "channel_id": one.channel_id,
                "peer_id": one.peer_id,
                "short_channel_id": one.scid,
                "alias": {"local": one.alias_local},
                "opener": one.opener,
                "closer": one.closer,
                "close_cause": one.close_cause,
                "total_msat": one.capacity_msat,
                "final_to_us_msat": one.final_local_msat,
                "last_stable_connection": one.last_stable_connection_at,
            }
            for one in self.node.closed_channels()
        ]
        return json.dumps({"closedchannels": rows})

    def _funds(self, _: Params) -> str:
        rows = [
            {
                "txid": one.outpoint.split(":")[0],
                "output": int(one.outpoint.split(":")[1]),
                "amount_msat": one.amount_msat,
                "status": "confirmed",
                "reserved": False,
            }
            for one in self.node.wallet().outputs
        ]
        return json.dumps({"outputs": rows, "channels": []})

    def _wait(self, given: Params) -> str:
        top = self.node.top_index(given["subsystem"], given["indexname"])
        return json.dumps({"subsystem": given["subsystem"], given["indexname"]: top})

    def _forwards(self, given: Params) -> Iterator[str]:
        for row, status, updated in self.node.made(given["index"], given["start"], given["limit"]):
            exit_text = "" if row.out_name is None else f'"out_channel":"{row.out_name}",'
            if row.out_msat is not None:
                exit_text += f'"out_htlc_id":{row.created_index},"out_msat":{row.out_msat},"fee_msat":{row.fee_msat},'
            index_text = "" if updated is None else f'"updated_index":{updated},'
            if status == REFUSED:
                end = f'"failcode":{row.failcode},"failreason":"WIRE_TEMPORARY_CHANNEL_FAILURE",'
            else:
                end = "" if status == OFFERED else f'"resolved_time":{row.resolved_at:.9f},'
            yield (
                f'{{"created_index":{row.created_index},{index_text}"in_channel":"{row.in_name}",'
                f'"in_htlc_id":{row.created_index},"in_msat":{row.in_msat},{exit_text}"status":"{_NAMES[status]}",{end}'
                f'"style":"tlv","received_time":{row.received_at:.9f}}}'
            )

    def _channel_moves(self, given: Params) -> Iterator[str]:
        for row in self.node.channel_moves(given["start"], given["limit"]):
            name = "" if row.payment_hash is None else f'"payment_hash":"{row.payment_hash}",'
            yield (
                f'{{"created_index":{row.created_index},"account_id":"{row.account}","credit_msat":{row.credit_msat},'
                f'"debit_msat":{row.debit_msat},"timestamp":{row.moved_at},"primary_tag":"{row.tag}",{name}'
                f'"fees_msat":{row.fees_msat}}}'
            )

    def _chain_moves(self, given: Params) -> str:
        rows = [
            {
                "created_index": row.created_index,
                "account_id": row.account,
                "credit_msat": row.credit_msat,
                "debit_msat": row.debit_msat,
                "timestamp": row.moved_at,
                "primary_tag": row.tag,
                "extra_tags": list(row.extra_tags),
                "utxo": row.outpoint,
                "output_msat": row.output_msat,
                "blockheight": row.blockheight,
            }
            | ({} if row.spending_txid is None else {"spending_txid": row.spending_txid})
            for row in self.node.chain_moves(given["start"], given["limit"])
        ]
        return json.dumps({"chainmoves": rows})

    def _events(self, given: Params) -> str:
        rows = [
            {
                "created_index": row.created_index,
                "peer_id": row.peer_id,
                "type": row.kind,
                "timestamp": row.happened_at,
                "duration_nsec": 10**9,
            }
            for row in self.node.node_events(given["start"], given["limit"])
        ]
        return json.dumps({"networkevents": rows})


def _terms(terms: Terms) -> dict[str, int]:
    return {
        "fee_base_msat": terms.fee_base_msat,
        "fee_proportional_millionths": terms.fee_ppm,
        "htlc_minimum_msat": terms.htlc_min_msat,
        "htlc_maximum_msat": terms.htlc_max_msat,
        "cltv_expiry_delta": terms.cltv_delta_blocks,
    }


def _channel(one: Channel) -> dict[str, Any]:
    names = {} if one.scid is None else {"short_channel_id": one.scid}
    remote = {} if one.remote_terms is None else {"remote": _terms(one.remote_terms)}
    return names | {
        "peer_id": one.peer_id,
        "peer_connected": one.connected,
        "reestablished": one.connected,
        "channel_id": one.channel_id,
        "direction": one.direction,
        "alias": {"local": one.alias_local, "remote": one.alias_remote},
        "state": one.state,
        "opener": one.opener,
        "private": one.private,
        "total_msat": one.capacity_msat,
        "to_us_msat": one.local_msat,
        "spendable_msat": one.spendable_msat,
        "receivable_msat": one.receivable_msat,
        "our_reserve_msat": one.our_reserve_msat,
        "their_reserve_msat": one.their_reserve_msat,
        "updates": {"local": _terms(one.local_terms)} | remote,
        "max_accepted_htlcs": one.max_accepted_htlcs,
        "their_max_htlc_value_in_flight_msat": _NO_LIMIT_MSAT,
        "htlcs": [],
    }


def serve(served: Served, path: Path) -> None:
    """Listen at a path, and answer for ever. pyln-client makes a connection for each call, and ends no request."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(8)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                received = b""
                while data := connection.recv(65_536):
                    received += data
                    try:
                        request = json.loads(received)
                    except ValueError:
                        continue
                    received = b""
                    connection.sendall(served.answer(request))


def main() -> None:
    """Make the node, look once at what takes a pass over its history, and serve it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("socket", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--forwards", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--no-routed", action="store_true", help="no rows of forwards in listchannelmoves")
    given = parser.parse_args()
    node = MadeNode(given.seed, given.channels, given.forwards, given.days, routed=not given.no_routed)
    node.info()
    serve(Served(node), given.socket)


if __name__ == "__main__":
    main()
