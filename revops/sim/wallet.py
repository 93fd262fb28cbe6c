"""The on-chain wallet: its outputs, how they are chosen and spent, and what the operator does with them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from revops.sim.ids import ADDRESS_PREFIX, bech32_text, digest
from revops.sim.moves import outpoint, record_deposit, record_external, record_withdrawal
from revops.sim.state import Output

if TYPE_CHECKING:
    from revops.sim.state import World

# Weights of a transaction's parts: version, locktime and counts; a P2TR input; a 2-of-2 funding input (BOLT 3); a P2TR
# or P2WSH output. At the recorded node's feerates they give its fees to the sat.
TX_WEIGHT = 42
WALLET_INPUT_WEIGHT = 230
FUNDING_INPUT_WEIGHT = 386
OUTPUT_WEIGHT = 172
#: lightningd makes no change below this (its dust limit); the fee gets it.
LEAST_CHANGE_MSAT = 546_000
RESERVED_SAT = 700_000


def tx_fee_msat(perkw: int, *, wallet_inputs: int = 0, funding_inputs: int = 0, outputs: int = 1) -> int:
    """Given a feerate in sat per 1000 weight units and a transaction's parts, return its fee in msat, of whole sat."""
    weight = WALLET_INPUT_WEIGHT * wallet_inputs + FUNDING_INPUT_WEIGHT * funding_inputs + OUTPUT_WEIGHT * outputs
    return perkw * (TX_WEIGHT + weight) // 1000 * 1000


def open_wallet(world: World) -> None:
    """Give the wallet its free outputs, one that is reserved, and one that isn't confirmed yet."""
    for number, sat in enumerate((*world.config.coins_sat, RESERVED_SAT)):
        output = add_output(world, f"wallet:{number}", sat * 1000, world.height - 2_000 + number)
        record_deposit(world, output, int(world.now_at) - 1_200_000 + number)
    output.reserved_to_height = world.height + 50_000
    add_output(world, "wallet:incoming", 300_000_000, None)


def add_output(
    world: World, label: str, amount_msat: int, height: int | None, *, txid: str | None = None, outnum: int = 0
) -> Output:
    """Add a wallet output, of a transaction of its own unless `txid` is given (not a ledger row: `record_deposit`)."""
    key = digest(world.config.seed, "output", label)
    address = bech32_text(ADDRESS_PREFIX[world.config.network], key, length=59)
    output = Output(
        txid or digest(world.config.seed, "outtx", label), outnum, amount_msat, height, address, "5120" + key
    )
    world.outputs.append(output)
    return output


def receive(world: World, txid: str, outnum: int, amount_msat: int, *, origin: str | None = None) -> None:
    """Add an output that a block has just confirmed, with its ledger row; nothing where there is no amount. `origin`
    is the account that a peer's commitment transaction pays from.
    """
    if amount_msat:
        output = add_output(world, outpoint(txid, outnum), amount_msat, world.height, txid=txid, outnum=outnum)
        record_deposit(world, output, int(world.now_at), origin)


@dataclass(frozen=True, slots=True)
class Funds:
    """What pays for a transaction: wallet outputs, and what comes back of them (0: no change). Amounts in msat."""

    inputs: tuple[Output, ...]
    change_msat: int
    fee_msat: int


def choose_funds(
    world: World, amount_msat: int, perkw: int, *, outputs: int, funding_inputs: int = 0, rng: Random | None = None
) -> Funds:
    """Choose confirmed, free outputs that pay `amount_msat` and the fee of a transaction of so many outputs and change:
    in the wallet's order, or as `rng` draws them (addpsbtinput), without those that cost more to spend than they hold.

    Raise ValueError if the wallet holds too little.
    """
    inputs: list[Output] = []
    offered = free_outputs(world)
    if rng is not None:
        rng.shuffle(offered)
        offered = [one for one in offered if one.amount_msat > perkw * WALLET_INPUT_WEIGHT]
    for output in offered:
        inputs.append(output)
        total_msat = sum(one.amount_msat for one in inputs)
        fee_msat = tx_fee_msat(perkw, wallet_inputs=len(inputs), funding_inputs=funding_inputs, outputs=outputs + 1)
        change_msat = total_msat - amount_msat - fee_msat
        if change_msat >= LEAST_CHANGE_MSAT:
            return Funds(tuple(inputs), change_msat, fee_msat)
        if change_msat >= 0:
            return Funds(tuple(inputs), 0, fee_msat + change_msat)
    raise ValueError(f"the wallet can't pay {amount_msat} msat and a fee")


def free_outputs(world: World) -> list[Output]:
    """Return the outputs that may be spent: confirmed and not reserved."""
    return [
        output
        for output in world.outputs
        if output.height is not None and (output.reserved_to_height or 0) <= world.height
    ]


def spend(world: World, inputs: Sequence[Output], txid: str) -> None:
    """Take outputs out of the wallet as a confirmed transaction does, with their ledger rows."""
    for output in inputs:
        world.outputs.remove(output)
        record_withdrawal(world, output, txid, int(world.now_at), world.height)


def withdraw(world: World, amount_sat: int) -> str:
    """Pay `amount_sat` to somebody's address, confirmed at once; return the txid. Raise ValueError if it can't be."""
    amount_msat = amount_sat * 1000
    if amount_msat < LEAST_CHANGE_MSAT:
        raise ValueError(f"{amount_sat} sat are dust")
    funds = choose_funds(world, amount_msat, world.feerate_perkw, outputs=1)
    txid = digest(world.config.seed, "withdraw", world.next_serial())
    # lightningd/walletrpc.c maybe_notify_new_external_send: told when it is broadcast, so without a height.
    record_external(world, "deposit", outpoint(txid, 0), amount_msat, "wallet", 0)
    spend(world, funds.inputs, txid)
    receive(world, txid, 1, funds.change_msat)
    return txid


def consolidate(world: World) -> str:
    """Pay all free outputs into one of our own, confirmed at once; return the txid. Raise ValueError if there is
    nothing that would be left of them.
    """
    inputs = free_outputs(world)
    total_msat = sum(output.amount_msat for output in inputs)
    left_msat = total_msat - tx_fee_msat(world.feerate_perkw, wallet_inputs=len(inputs))
    if not inputs or left_msat < LEAST_CHANGE_MSAT:
        raise ValueError("nothing to consolidate")
    txid = digest(world.config.seed, "consolidate", world.next_serial())
    spend(world, inputs, txid)
    receive(world, txid, 0, left_msat)
    return txid
