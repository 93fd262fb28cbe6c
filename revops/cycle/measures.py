"""What metrics show beyond a report, from the records."""

from __future__ import annotations

from collections.abc import Iterable

from revops.cycle.spool import recorder_record
from revops.decide.refill_return import refill_return
from revops.domain.measures import Measures, RefillReturn
from revops.domain.record import ChannelRecord
from revops.store import fees, flows, refills, samples, space, tally
from revops.store.circular import moved_ever
from revops.store.days import DAY_SECONDS
from revops.store.earned import earned_since
from revops.store.engine import Tx
from revops.store.keys import channel_keys


def read_measures(tx: Tx, channels: Iterable[ChannelRecord], now: float, horizon_days: int) -> Measures:
    """Given the channels, the time and the horizon of refills, return what is measured."""
    marks = fees.price_marks(tx)
    ids = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    shown = {one.channel_id for one in channels if one.open} & marks.keys()
    earned = earned_since(tx, {channel_id: marks[channel_id].window_start_at for channel_id in shown})
    return Measures(
        marks={channel_id: marks[channel_id] for channel_id in shown},
        earned_msat={channel_id: one.earned_msat for channel_id, one in earned.items()},
        refills=_refills(tx, now, horizon_days),
        moved={ids[key]: one for key, one in moved_ever(tx).items() if key in ids},
        feerates=samples.last_feerates(tx),
        tallies=tally.tallies(tx),
        size=space.database_size(tx),
        recorder=recorder_record(tx, now),
    )


def _refills(tx: Tx, now: float, horizon_days: int) -> dict[str, RefillReturn]:
    """What was bought in the last two horizons. Sales are of whole days, which is enough for a price."""
    lots = refills.lots(tx, now, horizon_days)
    if not lots:
        return {}
    first_day = (now - 2 * horizon_days * DAY_SECONDS) // DAY_SECONDS
    sales = flows.flows(tx, first_day * DAY_SECONDS)
    return {channel_id: refill_return(bought, sales.get(channel_id)) for channel_id, bought in lots.items()}
