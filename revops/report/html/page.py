"""The page: one file that fetches nothing, complete without JavaScript, whatever strangers call themselves.

Every text passes `printable` and is escaped; the only script is our own, and the page's policy names its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from revops import __version__
from revops.domain.options import Progress
from revops.domain.period import DAY_SECONDS
from revops.domain.review import Review
from revops.domain.text import printable
from revops.report.amounts import age, instant
from revops.report.blocks import Line
from revops.report.html import charts, timeline
from revops.report.html.attention import attention
from revops.report.html.channels import earnings, liquidity
from revops.report.html.decisions import decisions
from revops.report.html.headline import tiles
from revops.report.html.names import cut
from revops.report.html.prices import OPEN_COUNT, PricePanel, panels
from revops.report.html.refills import SOLD, refills
from revops.report.profit import notes, period_words
from revops.report.text import line_text
from revops.report.words import OUTCOMES

_FOLDER: Final = "share/html"
_CHARTS: Final = 4


def page(review: Review, progress: Progress) -> str:
    """Given a review, return the page as HTML; tell `progress` of each chart."""
    environment = Environment(
        loader=PackageLoader("revops", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template("report.html.j2").render(_values(review, progress))


def _shown(value: Any) -> Any:
    """What stands on the page: our own markup as it is, all else printable (jinja escapes it then)."""
    return value if isinstance(value, Markup) else printable(str(value))


def _values(review: Review, progress: Progress) -> dict[str, Any]:
    profit, standing = review.profit, review.standing
    # Days of which nothing has been synced yet would be drawn as days without income.
    seen = [one for one in profit.spans if profit.synced_at is None or one.since_at < profit.synced_at]
    found = timeline.timeline(seen, () if review.before is None else review.before.spans)
    priced, noticed = panels(review), attention(review)
    drawn = _Drawn(progress, _CHARTS + len(priced))
    script, style = (files("revops").joinpath(_FOLDER, name).read_text("utf-8") for name in ("report.js", "report.css"))
    return {
        "version": __version__,
        "alias": cut(standing.alias) or "(no alias)",
        "node_id": standing.node_id,
        "network": standing.network,
        "lightningd": cut(standing.version),
        "blockheight": f"{standing.blockheight:,}",
        "period": period_words(profit.since_at, profit.until_at),
        "made_at": instant(standing.taken_at),
        "synced_at": "never" if standing.synced_at is None else instant(standing.synced_at),
        "synced_age": age(standing.synced_at, standing.taken_at),
        "urgent": tuple(item for item in noticed if item.tone == "bad"),
        "notices": tuple(item for item in noticed if item.tone != "bad"),
        "tiles": tiles(review),
        "timeline": found,
        "timeline_rows": timeline.rows(found),
        "charts": _timeline_charts(found, drawn),
        "earnings": earnings(profit, review.classes),
        "liquidity": liquidity(review),
        "panels": priced,
        "open_count": OPEN_COUNT,
        "price_charts": {one.history.channel_id: _price_chart(review, one, drawn) for one in priced},
        "refills": refills(review),
        "sold": SOLD,
        "decisions": decisions(review),
        "kinds": OUTCOMES,
        "grouped": "{:,}".format,
        "notes": tuple(_notes(review)),
        "style": Markup(style),  # noqa: S704  # our own file
        "script": Markup(script),  # noqa: S704  # our own file
        "script_hash": script_hash(script),
    }


def script_hash(script: str) -> str:
    """Given a script's text, return what names it in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


class _Drawn:
    """Drawings as markup, each told of."""

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress, self._count, self._done = progress, count, 0

    def take(self, svg: str) -> Markup:
        self._done += 1
        self._progress("charts", self._done, self._count)
        return Markup(svg)  # noqa: S704  # drawn by us, without anybody's text


def _timeline_charts(found: timeline.Timeline, drawn: _Drawn) -> dict[str, Markup]:
    """Each in a width for screens and one for phones."""
    if not found.buckets:
        return {}
    return {
        f"{name}_{'wide' if wide else 'narrow'}": drawn.take(draw(found, wide=wide))
        for name, draw in (("by_span", charts.by_span), ("added_up", charts.added_up))
        for wide in (True, False)
    }


def _price_chart(review: Review, one: PricePanel, drawn: _Drawn) -> Markup:
    profit = review.profit
    first_day = int(one.history.changes[0].from_at // DAY_SECONDS)
    end_day = int(-(-min(profit.until_at, profit.synced_at or profit.taken_at) // DAY_SECONDS))
    return drawn.take(charts.prices(one.history, first_day, max(end_day, first_day + 1)))


def _notes(review: Review) -> Iterator[str]:
    """What is to be known of the figures, in the words of `report pnl`."""
    profit = review.profit
    if profit.synced_at is not None and profit.until_at > profit.synced_at:
        yield f"Known up to the last sync, {instant(profit.synced_at)}: what came later is in no figure."
    for block in notes(profit):
        if isinstance(block, Line):
            text = line_text(block, whole=True)
            yield f"{text[:1].upper()}{text[1:]}."
