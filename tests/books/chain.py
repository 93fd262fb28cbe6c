"""What a made node does on the chain: opens, splices, closes, sweeps, and what its wallet does besides.

Each transaction's fee is drawn, and kept in `drawn`, so that whoever reads the rows can be compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from revops.domain.forward import ChainMove
from tests.books.lives import SAT, Life, height_at, hex_of

BLOCK_SECONDS: Final = 600
#: Balances by number at a moment, forwards and payments together.
Moved = Callable[[float], Sequence[int]]


class Chain:
    """The rows of `listchainmoves` as they come about, with the wallet and the balances that they leave."""

    def __init__(self, rng: Random, seed: int, began_at: float, moved: Moved) -> None:
        self._rng, self._seed, self._began_at, self._moved = rng, seed, began_at, moved
        self._rows: list[ChainMove] = []
        self._outputs: list[tuple[str, int]] = []
        self._on_chain_msat: dict[int, int] = {}
        self._outpoints: dict[int, str] = {}
        self._count = 0
        #: The fee of each transaction that we pay for, in msat, by txid.
        self.drawn: dict[str, int] = {}
        #: What a channel that is closed held at the end, by its number.
        self.final_msat: dict[int, int] = {}

    def rows(self) -> list[ChainMove]:
        """All rows in the order in which the node records them."""
        ordered = sorted(self._rows, key=lambda row: row.moved_at)
        return [replace(row, created_index=index) for index, row in enumerate(ordered, 1)]

    # ---- building blocks

    def _txid(self) -> str:
        self._count += 1
        return hex_of(self._seed, "tx", self._count)

    def _fee_msat(self) -> int:
        return self._rng.randint(150, 20_000) * SAT

    def _row(
        self,
        account: str,
        credit_msat: int,
        debit_msat: int,
        at: int,
        tag: str,
        outpoint: str,
        spending_txid: str | None = None,
        output_msat: int | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        height = height_at(at, self._began_at)
        amount_msat = credit_msat + debit_msat if output_msat is None else output_msat
        self._rows.append(ChainMove(0, account, credit_msat, debit_msat, at, tag, tags, outpoint, spending_txid,
                                    amount_msat, height))  # fmt: skip

    def _spend(self, at: int, txid: str, wanted_msat: int) -> int:
        """Take outputs until they are enough; return what they hold together."""
        taken_msat = 0
        while taken_msat < wanted_msat:
            outpoint, amount_msat = self._outputs.pop(0)
            self._row("wallet", 0, amount_msat, at, "withdrawal", outpoint, txid)
            taken_msat += amount_msat
        return taken_msat

    def _deposit(self, at: int, outpoint: str, amount_msat: int) -> None:
        self._row("wallet", amount_msat, 0, at, "deposit", outpoint)
        self._outputs.append((outpoint, amount_msat))

    def _paid(self, at: int, txid: str, amount_msat: int, vout: int) -> None:
        """Pay an amount and a fee out of the wallet, with change."""
        fee_msat = self._fee_msat()
        taken_msat = self._spend(at, txid, amount_msat + fee_msat + SAT)
        self._deposit(at, f"{txid}:{vout}", taken_msat - amount_msat - fee_msat)
        self.drawn[txid] = fee_msat

    def _funded(self, life: Life, at: int, outpoint: str, credit_msat: int, capacity_msat: int,
                tags: tuple[str, ...] = ()) -> None:  # fmt: skip
        opener = ("opener",) if life.opener == "local" else ()
        self._row(life.channel_id, credit_msat, 0, at, "channel_open", outpoint, None, capacity_msat, (*opener, *tags))
        self._outpoints[life.number] = outpoint
        self._on_chain_msat[life.number] = self._on_chain_msat.get(life.number, 0) + credit_msat

    def balance_msat(self, life: Life, at: float) -> int:
        """What is ours in a channel at a moment, as long as nothing later has happened on the chain."""
        return self._on_chain_msat.get(life.number, 0) + self._moved(at)[life.number]

    def _leave(self, life: Life, at: int, txid: str, tags: tuple[str, ...] = ()) -> int:
        """Spend a channel's output; return what was ours in it."""
        ours_msat = self.balance_msat(life, at)
        self._row(life.channel_id, 0, ours_msat, at, "channel_close", self._outpoints[life.number], txid,
                  life.capacity_at(at - 1), tags)  # fmt: skip
        self._on_chain_msat[life.number] -= ours_msat
        return ours_msat

    # ---- what happens

    def receive(self, at: int, amount_msat: int) -> None:
        """Somebody pays to our wallet."""
        self._deposit(at, f"{self._txid()}:{self._rng.randint(0, 3)}", amount_msat)

    def open_ours(self, lives: Sequence[Life]) -> None:
        """One transaction opens these channels. A peer that leases us liquidity funds the other half."""
        txid, at = self._txid(), lives[0].funded_at
        ours = [life.capacity_msat // (2 if life.how == "lease_in" else 1) // SAT * SAT for life in lives]
        self._paid(at, txid, sum(ours), len(lives))
        for vout, (life, credit_msat) in enumerate(zip(lives, ours, strict=True)):
            self._funded(life, life.opened_at, f"{txid}:{vout}", credit_msat, life.capacity_msat,
                         ("leased",) if life.how == "lease_in" else ())  # fmt: skip

    def open_theirs(self, life: Life) -> None:
        """A peer opens a channel; where it leases liquidity from us, we fund the half, and pay for our part."""
        txid = self._txid()
        credit_msat = 0
        if life.how == "lease_out":
            credit_msat = life.capacity_msat // 2 // SAT * SAT
            self._paid(life.funded_at, txid, credit_msat, 2)
        self._funded(life, life.opened_at, f"{txid}:0", credit_msat, life.capacity_msat,
                     ("leased",) if life.how == "lease_out" else ())  # fmt: skip

    def splice(self, lives: Sequence[Life], changes_msat: Sequence[int], at: int, *, outside: bool) -> None:
        """One transaction changes what we hold in these channels. What comes in is the wallet's; what goes out, less
        the fee, goes to another of them, to the wallet, or to somebody outside.
        """
        txid = self._txid()
        added_msat = sum(changes_msat)
        if added_msat > 0:
            self._paid(at, txid, added_msat, len(lives))
            fee_msat = 0
        else:
            fee_msat = self.drawn[txid] = self._fee_msat()
            if added_msat < 0 and outside:
                self._row("external", -added_msat, 0, at, "deposit", f"{txid}:{len(lives)}")
            elif added_msat < 0:
                self._deposit(at, f"{txid}:{len(lives)}", -added_msat)
        for vout, (life, change_msat) in enumerate(zip(lives, changes_msat, strict=True)):
            before_msat, capacity_msat = self._leave(life, at, txid, ("splice",)), life.capacity_at(at - 1)
            cost_msat = fee_msat if vout == 0 else 0
            after_msat = before_msat + change_msat - cost_msat
            life.capacities.append((float(at), capacity_msat + change_msat - cost_msat))
            self._funded(life, at, f"{txid}:{vout}", after_msat, life.capacity_at(at), ())

    def close(self, life: Life) -> None:
        """Close a channel together or alone. Who opened it pays; of our own commitment we get our part a day later."""
        assert life.closed_at is not None
        txid, at = self._txid(), life.closed_at
        ours_msat = self._leave(life, at, txid)
        self.final_msat[life.number] = ours_msat
        fee_msat = self._fee_msat() if life.opener == "local" else 0
        left_msat = (ours_msat - fee_msat) // SAT * SAT
        self.drawn[txid] = ours_msat - left_msat
        if life.closing.endswith("alone"):
            theirs_msat = (life.capacity_at(at) - ours_msat) // SAT * SAT
            self._row("external", theirs_msat, 0, at, "to_them", f"{txid}:1")
            self._row("external", 330 * SAT, 0, at, "anchor", f"{txid}:2")
        if life.closing != "ours_alone":
            self._deposit(at, f"{txid}:0", left_msat)
            return
        self._row(life.channel_id, left_msat, 0, at, "delayed_to_us", f"{txid}:0")
        sweep, swept_at, sweep_msat = self._txid(), at + 144 * BLOCK_SECONDS, self._fee_msat()
        self._row(life.channel_id, 0, left_msat, swept_at, "to_wallet", f"{txid}:0", sweep)
        self._deposit(swept_at, f"{sweep}:0", left_msat - sweep_msat)
        self.drawn[sweep] = sweep_msat

    def send(self, at: int, amount_msat: int) -> None:
        """Pay somebody outside out of the wallet."""
        txid = self._txid()
        self._paid(at, txid, amount_msat, 1)
        self._row("external", amount_msat, 0, at, "deposit", f"{txid}:0")

    def consolidate(self, at: int) -> None:
        """Make one output of some."""
        txid, fee_msat = self._txid(), self._fee_msat()
        taken_msat = self._spend(at, txid, sum(amount_msat for _, amount_msat in self._outputs[:5]))
        self._deposit(at, f"{txid}:0", taken_msat - fee_msat)
        self.drawn[txid] = fee_msat
