"""Every way in which revops changes the node, and its dry twin that changes nothing. Only `actuate` holds one.

A NodeError with `outcome_unknown` means that the call may have been carried out: look at the node's records, never
repeat it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Final, Protocol

from revops.domain.ads import AdTerms
from revops.domain.clboss import Tags
from revops.domain.payment import Hop, Invoice, Payment, PaymentStatus
from revops.domain.sling import SlingOrder
from revops.domain.splice import SpliceDirection
from revops.node import parse_ads, parse_sling, parse_splices
from revops.node.errors import NodeError
from revops.node.fields import Fields
from revops.node.parse_channels import FeesReply, fees_reply
from revops.node.parse_clboss import tags_text
from revops.node.parse_payments import new_invoice, payment, route_json
from revops.node.rpc import Caller

__all__ = ["DryRunWriter", "FeesReply", "NodeWriter", "Writer"]

_NO_SUCH_INVOICE: Final = 905
_OTHER_STATUS: Final = 906
#: The peer must answer some ten messages.
_SPLICE_SECONDS: Final = 90.0
#: sling takes less than 1.
_NO_SHARE: Final = 0.999


class Writer(Protocol):
    """What may be done to the node; `NodeWriter` says what each method does."""

    def set_fees(
        self, channel_id: str, fee_base_msat: int, fee_ppm: int, htlc_max_msat: int | None = None
    ) -> FeesReply: ...
    def offer_leases(self, terms: AdTerms | None) -> AdTerms: ...
    def preview_splice(
        self, direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int
    ) -> tuple[str, ...]: ...
    def make_splice(self, direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int) -> str: ...
    def reconnect(self, peer_id: str) -> None: ...
    def create_invoice(self, label: str, amount_msat: int, description: str, expiry_seconds: int) -> Invoice: ...
    def delete_invoice(self, label: str) -> bool: ...
    def send_pay(self, route: tuple[Hop, ...], payment_hash: str, payment_secret: str, label: str) -> Payment: ...
    def create_layer(self, layer: str) -> None: ...
    def disable_node(self, layer: str, node_id: str) -> None: ...
    def inform_constrained(self, layer: str, scidd: str, amount_msat: int) -> None: ...
    def age_layer(self, layer: str, cutoff_at: int) -> None: ...
    def remove_layer(self, layer: str) -> None: ...
    def clboss_unmanage(self, peer_id: str, tags: Tags) -> None: ...
    def sling_once(self, order: SlingOrder) -> None: ...
    def sling_stop(self, scid: str, timeout_seconds: float) -> int: ...


class NodeWriter:
    """The writer of a real node. Every method raises NodeError where the node refuses or its reply can't be true."""

    def __init__(self, rpc: Caller) -> None:
        self._rpc = rpc

    def set_fees(
        self, channel_id: str, fee_base_msat: int, fee_ppm: int, htlc_max_msat: int | None = None
    ) -> FeesReply:
        """Given one channel, its new fees and the largest HTLC that we forward (None: as it is), return what is in
        force now: compare, the node clamps silently.

        The channel_id is sent, since a peer's id would hit all its channels and an scid changes with a splice. The
        old terms stay good for lightningd's default of 600 s.
        """
        params: dict[str, str | int] = {"id": channel_id, "feebase": fee_base_msat, "feeppm": fee_ppm}
        if htlc_max_msat is not None:
            params["htlcmax"] = htlc_max_msat
        return fees_reply(self._rpc.call("setchannel", params), channel_id)

    def offer_leases(self, terms: AdTerms | None) -> AdTerms:
        """Given what shall be lent, and for how much, return what is in force now: compare. None leaves it as it is;
        that writes, too, since the plugin tells lightningd its rates anew each time. Lost when lightningd stops.
        """
        params = {} if terms is None else parse_ads.terms_request(terms)
        return parse_ads.ad_terms(self._rpc.call("funderupdate", params))

    def preview_splice(
        self, direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int
    ) -> tuple[str, ...]:
        """Given a channel, how many sat go into it or out of it, and the feerate in sat per 1000 weight, return what
        the node says that it would do. It does nothing.
        """
        text = parse_splices.script(direction, channel_id, amount_sat, perkw)
        return parse_splices.previewed(self._run_script({"script_or_json": text, "dryrun": True}))

    def make_splice(self, direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int) -> str:
        """Given the same, make the splice; return its transaction. The wallet, or with a splice out the channel, pays
        the fee on top.

        Never for a channel with a splice in flight: lightningd would let go of that, and of the connection. An error
        isn't the end of it where the signatures were under way: look at the channel.
        """
        text = parse_splices.script(direction, channel_id, amount_sat, perkw)
        return parse_splices.spliced(self._run_script({"script_or_json": text}))

    def _run_script(self, params: dict[str, object]) -> dict[str, object]:
        return self._rpc.call("dev-splice", params, timeout_seconds=_SPLICE_SECONDS)

    def reconnect(self, peer_id: str) -> None:
        """Given a peer, close the connection to it. lightningd connects again by itself, as there is a channel."""
        self._rpc.call("disconnect", {"id": peer_id, "force": True})

    def create_invoice(self, label: str, amount_msat: int, description: str, expiry_seconds: int) -> Invoice:
        """Given a fresh label and what the invoice is for, return it with its payment secret."""
        params = {"amount_msat": amount_msat, "label": label, "description": description, "expiry": expiry_seconds}
        return new_invoice(self._rpc.call("invoice", params), label, amount_msat)

    def delete_invoice(self, label: str) -> bool:
        """Given a label, delete our invoice of that name unless it is paid. Return whether it was deleted here."""
        try:
            self._delete(label, "unpaid")
        except NodeError as error:
            if error.code == _NO_SUCH_INVOICE:
                return False
            if error.code != _OTHER_STATUS:
                raise
            if not isinstance(error.data, dict) or error.data.get("current_status") != "expired":
                return False
            self._delete(label, "expired")
        return True

    def _delete(self, label: str, status: str) -> None:
        reply = Fields("delinvoice", self._rpc.call("delinvoice", {"label": label, "status": status}))
        if reply.text("label") != label:
            raise reply.wrong("label", "is not the one that was asked for")

    def send_pay(self, route: tuple[Hop, ...], payment_hash: str, payment_secret: str, label: str) -> Payment:
        """Given a route whose last hop is the payee, send one payment along it. Return it, PENDING as a rule.

        lightningd knows no fee limit here: the caller has checked what the route costs. A hash that is already
        complete is answered with that payment, and one that is under way with code 200.
        """
        params = {
            "route": route_json(route),
            "payment_hash": payment_hash,
            "payment_secret": payment_secret,
            "label": label,
        }
        return payment("sendpay", self._rpc.call("sendpay", params), payment_hash)

    def create_layer(self, layer: str) -> None:
        """Given a name, make an empty askrene layer of that name, which lasts until lightningd stops."""
        self._rpc.call("askrene-create-layer", {"layer": layer})

    def disable_node(self, layer: str, node_id: str) -> None:
        """Given a layer and a node, keep routes that use the layer away from the node."""
        self._rpc.call("askrene-disable-node", {"layer": layer, "node": node_id})

    def inform_constrained(self, layer: str, scidd: str, amount_msat: int) -> None:
        """Given a layer and a channel with direction, note there that the channel couldn't pass the amount."""
        params = {"layer": layer, "short_channel_id_dir": scidd, "amount_msat": amount_msat, "inform": "constrained"}
        self._rpc.call("askrene-inform-channel", params)

    def age_layer(self, layer: str, cutoff_at: int) -> None:
        """Given a layer and an instant, forget what the layer learnt before it."""
        self._rpc.call("askrene-age", {"layer": layer, "cutoff": cutoff_at})

    def remove_layer(self, layer: str) -> None:
        """Given the name of a layer, take it away with all that it holds."""
        self._rpc.call("askrene-remove-layer", {"layer": layer})

    def clboss_unmanage(self, peer_id: str, tags: Tags) -> None:
        """Given a peer and all tags that CLBOSS shall not manage there, put them in the place of those before."""
        self._rpc.call("clboss-unmanage", {"nodeid": peer_id, "tags": tags_text(tags)})

    def sling_once(self, order: SlingOrder) -> None:
        """Given an order, let sling begin with it. It goes on by itself until all is moved, or somebody stops it.

        Amounts are in sat. Of a source sling leaves the larger of a chunk + 10,000 sat and the smaller of
        `depleteuptopercent` of its capacity and `depleteuptoamount`: the share is set to where it doesn't bind.
        """
        params = {
            "scid": order.scid,
            "direction": "pull",
            "amount": order.chunk_sat,
            "onceamount": order.chunk_sat * order.payment_count,
            "maxppm": order.max_ppm,
            "candidates": list(order.source_scids),
            "depleteuptopercent": _NO_SHARE,
            "depleteuptoamount": order.floor_sat,
            "paralleljobs": 1,
        }
        parse_sling.started(self._rpc.call("sling-once", params))

    def sling_stop(self, scid: str, timeout_seconds: float) -> int:
        """Given a channel, let sling stop what it does there; return how many tasks were told to. It answers when they
        have stopped, which takes as long as the payment that a task is waiting for (`sling-timeoutpay`).
        """
        return parse_sling.stopped(self._rpc.call("sling-stop", [scid], timeout_seconds=timeout_seconds))


class DryRunWriter:
    """A writer that sends nothing and answers as the node would, were all well. Its invoices belong to nobody."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def set_fees(
        self, channel_id: str, fee_base_msat: int, fee_ppm: int, htlc_max_msat: int | None = None
    ) -> FeesReply:
        """Return the terms as if they were in force."""
        return FeesReply(channel_id, fee_base_msat, fee_ppm, warnings=(), htlc_max_msat=htlc_max_msat)

    def offer_leases(self, terms: AdTerms | None) -> AdTerms:
        """Return the terms as if they were in force. What is in force can't be asked for without writing."""
        if terms is None:
            raise ValueError("a dry run can't ask what is in force")
        return terms

    def preview_splice(
        self, direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int
    ) -> tuple[str, ...]:
        """Return what a node says that does what it is asked."""
        return parse_splices.transcript(direction, channel_id, amount_sat, perkw)

    def make_splice(self, direction: SpliceDirection, channel_id: str, amount_sat: int, perkw: int) -> str:
        """Return a transaction that there never was."""
        text = parse_splices.script(direction, channel_id, amount_sat, perkw)
        return hashlib.sha256(f"dry run {text}".encode()).hexdigest()

    def reconnect(self, peer_id: str) -> None:
        """Do nothing."""

    def create_invoice(self, label: str, amount_msat: int, description: str, expiry_seconds: int) -> Invoice:
        """Return an invoice that nobody can pay: its hash has no known preimage."""
        return Invoice(
            label=label,
            payment_hash=hashlib.sha256(f"dry run {label}".encode()).hexdigest(),
            payment_secret="00" * 32,
            status="unpaid",
            amount_msat=amount_msat,
            expires_at=int(self._clock()) + expiry_seconds,
        )

    def delete_invoice(self, label: str) -> bool:
        """Return True, as if it had been there."""
        return True

    def send_pay(self, route: tuple[Hop, ...], payment_hash: str, payment_secret: str, label: str) -> Payment:
        """Return the payment as if it had been sent. Don't wait for it."""
        if not route:
            raise ValueError("a payment needs a route")
        return Payment(
            payment_hash=payment_hash,
            status=PaymentStatus.PENDING,
            amount_msat=route[-1].amount_msat,
            amount_sent_msat=route[0].amount_msat,
            destination=route[-1].node_id,
            created_at=int(self._clock()),
            completed_at=None,
        )

    def create_layer(self, layer: str) -> None:
        """Do nothing."""

    def disable_node(self, layer: str, node_id: str) -> None:
        """Do nothing."""

    def inform_constrained(self, layer: str, scidd: str, amount_msat: int) -> None:
        """Do nothing."""

    def age_layer(self, layer: str, cutoff_at: int) -> None:
        """Do nothing."""

    def remove_layer(self, layer: str) -> None:
        """Do nothing."""

    def clboss_unmanage(self, peer_id: str, tags: Tags) -> None:
        """Do nothing."""

    def sling_once(self, order: SlingOrder) -> None:
        """Do nothing."""

    def sling_stop(self, scid: str, timeout_seconds: float) -> int:
        """Stop nothing."""
        return 0
