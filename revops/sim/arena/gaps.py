"""What a node's records can't say of its market, in words with the node's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from revops.domain.node_traffic import ChannelPast
from revops.domain.text import counted
from revops.sim.arena.calibrate import LEAST_OPEN_HOURS, LEAST_RHYTHM_ATTEMPTS, Calibration, ChannelFit
from revops.sim.arena.families import MAX_WILLINGNESS_PPM
from revops.sim.arena.rhythm import DAYS_PER_WEEK, LEAST_WEEKS

#: So many channels are named in each sentence's kind; the others are counted.
NAMED_COUNT: Final = 8
#: More tiny payments than this for each other one are a flood.
FLOOD_RATIO: Final = 1.0
LEAST_OPEN_RATIO: Final = 0.5


def list_gaps(fit: Calibration, ruled: bool = False) -> tuple[str, ...]:
    """Given a calibration, and whether the configuration has rules for channels, return what can't be known, what
    matters most first.
    """
    return (
        *_unpriced(fit),
        *_named(fit.channels, _untried),
        *_named(fit.channels, _hardly_open),
        *_named(fit.channels, _lifted),
        *_of_the_node(fit),
        *_rhythm(fit),
        *_left_out(fit, ruled),
        *_always(fit),
    )


def full_name(past: ChannelPast) -> str:
    """Given a channel, return what a person knows it by. A stranger chose the alias: whoever prints it, escapes it."""
    return f"{past.name} ({past.alias})" if past.alias else past.name


def _named(channels: Sequence[ChannelFit], sentence_of: Callable[[ChannelFit], str | None]) -> Iterator[str]:
    sentences = [sentence for one in channels if (sentence := sentence_of(one)) is not None]
    yield from sentences[:NAMED_COUNT]
    if len(sentences) > NAMED_COUNT:
        yield f"the same holds for {counted(len(sentences) - NAMED_COUNT, 'more channel')}"


def _unpriced(fit: Calibration) -> Iterator[str]:
    """Of payments from before revops first looked."""
    never = [one.past for one in fit.channels if not one.past.priced]
    if never:
        payments = counted(sum(past.attempt_count for past in never), "payment")
        yield (
            f"prices go on record from the first `revops fees adjust` on that is no dry run: what {payments} by "
            f"{counted(len(never), 'channel')} were asked before isn't known, nor for how long these channels could "
            f"have forwarded. Here all of them count as if they had been asked today's fee; what another one does is a "
            f"guess from the prior"
        )
    early_count = sum(one.past.unpriced_count for one in fit.channels if one.past.priced)
    if early_count:
        yield (
            f"{counted(early_count, 'payment')} came before the first price on record: what they were asked isn't "
            f"known, and they say nothing here of what customers would pay"
        )


def _untried(one: ChannelFit) -> str | None:
    """Of a channel whose prices hardly differed."""
    if not one.past.priced:
        return None  # said of all such channels at once
    if not one.tried_ppm:
        return f"{full_name(one.past)} has no price on record that was open: its demand is a guess from the prior"
    if one.tried_apart:
        return None
    least, most = one.tried_ppm[0], one.tried_ppm[-1]
    tried = f"{most:,} ppm" if least == most else f"{least:,} to {most:,} ppm"
    return (
        f"{full_name(one.past)} has no other price on record than {tried}: what happens at "
        f"{2 * max(most, 1):,} is a guess from the prior"
    )


def _hardly_open(one: ChannelFit) -> str | None:
    """Of a channel for which refused payments stand in for open hours."""
    refused_count = sum(hour.refused_count for hour in one.past.priced_hours)
    if not one.by_refusals or refused_count == 0:
        return None
    open_hours = sum(window.open_hours for window in one.past.windows)
    return (
        f"{full_name(one.past)} is on record as open for {open_hours:.1f} hours only, less than "
        f"{LEAST_OPEN_HOURS:.0f}: its demand rests on {counted(refused_count, 'payment')} that it refused; who saw "
        f"that it was empty never asked"
    )


def _lifted(one: ChannelFit) -> str | None:
    """Of a channel that refused more than its prices' windows know of."""
    if one.lift <= 1.0:
        return None
    refused_count = sum(hour.refused_count for hour in one.past.priced_hours or one.past.hours)
    return (
        f"{full_name(one.past)} refused {counted(refused_count, 'payment')} for want of liquidity: its demand is taken "
        f"for {one.lift:.2g} times what its open hours show; how many of these were the same sender's isn't known"
    )


def _of_the_node(fit: Calibration) -> Iterator[str]:
    most_ppm = max((one.tried_ppm[-1] for one in fit.channels if one.tried_ppm), default=0)
    tried = f"above {most_ppm:,} ppm" if most_ppm else "that was open"
    yield (
        f"no price {tried} is on record; above its own highest price each market lets a channel's customers end "
        f"somewhere else, up to {max(MAX_WILLINGNESS_PPM, most_ppm):,.0f} ppm"
    )
    unseen = sum(not any(hour.settled_count for hour in one.past.entries) for one in fit.channels)
    if unseen:
        yield f"{counted(unseen, 'channel')} never let a payment in: that hardly any enters by them is a guess"
    full = sum(one.entry_open_ratio < LEAST_OPEN_RATIO for one in fit.channels)
    if full:
        yield (
            f"{counted(full, 'channel')} had no room to let a large payment in for more than half of the time: what "
            f"would have entered by them then is a guess from the other half"
        )
    unpriced = sum(one.past.anchor_ppm is None for one in fit.channels)
    if unpriced:
        yield f"what others charge is not known into the peers of {counted(unpriced, 'channel')}"
    strangers = sum(not one.past.peer_known for one in fit.channels)
    if strangers:
        yield f"no comings and goings are on record of the peers of {counted(strangers, 'channel')}: none leaves here"


def _rhythm(fit: Calibration) -> Iterator[str]:
    rhythm, count = fit.rhythm, fit.traffic.attempt_count
    if rhythm.daily_swing is None:
        yield (
            f"{counted(count, 'payment')} tell nothing of days and bursts (it takes {LEAST_RHYTHM_ATTEMPTS}): there "
            f"are none here"
        )
    if rhythm.weekly_swing is None:
        yield (
            f"{fit.traffic.days:.0f} days on record are too few for a weekly rhythm (it takes "
            f"{LEAST_WEEKS * DAYS_PER_WEEK}): there is none here"
        )


def _left_out(fit: Calibration, ruled: bool) -> Iterator[str]:
    traffic = fit.traffic
    several = sum(one.past.channel_count > 1 for one in fit.channels)
    if several:
        yield f"{counted(several, 'peer')} with several channels: each peer's are one here, whichever of them is empty"
    if traffic.left_out_count:
        yield (
            f"only the {len(fit.channels)} peers with most traffic are here; "
            f"{counted(traffic.left_out_count, 'more peer')} and what enters or leaves by them are not"
        )
    if traffic.tiny_count > FLOOD_RATIO * traffic.attempt_count:
        yield f"{counted(traffic.tiny_count, 'payment')} below 1,000 sat are left out, as are floods of any kind"
    based = sum(one.past.fee_base_msat > 0 for one in fit.channels)
    if based:
        yield f"{counted(based, 'channel')} also ask a base fee, which is left out"
    if ruled:
        yield "the rules of the configuration are left out: every channel goes by [fees]"
    yield "rebalances are left out: what a strategy saves or costs there doesn't show"


def _always(fit: Calibration) -> Iterator[str]:
    sizes = [one for one in fit.traffic.amounts if one.payment_count > 0]
    largest_sat = max((one.high_msat for one in sizes), default=0) // 1_000
    yield (
        f"payments that never came leave no trace: none above {largest_sat:,} sat was seen, and whoever found us too "
        f"dear, or found no way in, is missing from every figure"
    )
    yield "what others do when our fees change, and how demand drifts from month to month, is not known: here, neither"
    yield "how fast our gossip spreads is not on record: it is taken from the market that strategies are tuned on"
