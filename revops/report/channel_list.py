"""`revops report channels` as blocks: a row for each channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.channel_list import ChannelsReport, ListedChannel
from revops.domain.profit_class import ProfitClass
from revops.domain.record import ChannelRecord
from revops.domain.text import counted
from revops.report.amounts import age, cost, income, share
from revops.report.blocks import Block, Legend, Line, Table, Tone, Toned
from revops.report.sparkline import sparkline
from revops.report.words import state_word

#: So many bars fit a row; a longer window is shown by its end.
_BARS: Final = 30
_TONES: Final = {
    ProfitClass.PROFITABLE: Tone.GOOD, ProfitClass.UNDERWATER: Tone.BAD, ProfitClass.DEAD: Tone.BAD,
    ProfitClass.STAGNANT: Tone.WARN,
}  # fmt: skip


def channels(value: ChannelsReport) -> Iterator[Block]:
    """Given channels, render a row each."""
    yield Line(
        f"{counted(len(value.channels), 'channel')}, last {value.window_days} UTC days; "
        f"synced {age(value.synced_at, value.taken_at)}"
    )
    if not value.channels:
        return
    days = f"{value.window_days} d"
    headings = (
        "channel", "peer", "state", "class", ">capacity", ">local", ">ppm", f">in {days}", f">out {days}",
        f">earned {days}", f">rebalancing {days}", f"earned by day, {min(_BARS, value.window_days)} d",
    )  # fmt: skip
    yield Table("Channels (sat)", headings, tuple(_row(one, value.blockheight) for one in value.channels))
    yield Legend(
        "local: our share of the capacity; earned: fees of what left by it; rebalancing: fees paid to refill it; bars: "
        "each row by its own best day"
    )


def _row(one: ListedChannel, blockheight: int) -> tuple[str, ...]:
    channel = one.channel
    return (
        channel.name,
        channel.alias or (channel.peer_id or "")[:12],
        _state(one, blockheight),
        "-" if one.profit_class is None else Toned(one.profit_class.word, _TONES.get(one.profit_class)),
        income(channel.capacity_msat),
        share(channel.local_msat, channel.capacity_msat),
        "-" if channel.fee_ppm is None else f"{channel.fee_ppm:,}",
        income(channel.window.in_msat),
        income(channel.window.out_msat),
        income(channel.window.earned_msat),
        cost(channel.window_rebalance_fees_msat),
        sparkline(one.earned_by_day_msat[-_BARS:]),
    )


def _state(one: ListedChannel, blockheight: int) -> str:
    words = standing_words(one.channel, blockheight)
    text = ", ".join([*words, "asleep"] if one.asleep_until_at is not None else words)
    troubled = one.channel.near_expiry_blocks(blockheight) is not None or not one.channel.connected
    return Toned(text, Tone.WARN if troubled and one.channel.open else None)


def standing_words(channel: ChannelRecord, blockheight: int) -> list[str]:
    """Given a channel and the height of the chain, return what there is to say of how it stands."""
    words = [state_word(channel.state)]
    if not channel.connected and channel.open:
        words.append("offline")
    if channel.private:
        words.append("private")
    left_blocks = channel.near_expiry_blocks(blockheight)
    if left_blocks is not None:
        words.append("HTLC expired" if left_blocks <= 0 else f"HTLC expires in {left_blocks} blocks")
    return words
