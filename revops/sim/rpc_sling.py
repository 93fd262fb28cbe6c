"""RPCs of the plugin sling, v4: amounts in sat asked, in msat told, and each error with code -32700."""

from __future__ import annotations

from typing import Any

from revops.sim.errors import SimRpcError
from revops.sim.ids import scid_parts
from revops.sim.sling_loop import begin
from revops.sim.sling_stats import history_json, rows
from revops.sim.slingjobs import TIMEOUT_PAY_SECONDS, Sling, SlingTask, SlingTerms
from revops.sim.state import World

REFUSED = -32700
METHODS = ("sling-version", "sling-job", "sling-jobsettings", "sling-once", "sling-stats", "sling-stop")
JOB_KEYS = {
    "scid", "direction", "amount", "maxppm", "outppm", "maxhops", "candidates", "depleteuptopercent",
    "depleteuptoamount", "paralleljobs",
}  # fmt: skip

Given = dict[str, Any] | list[Any]


def knows(world: World, method: str) -> bool:
    """Whether the plugin is there and has the method. `sling-once` came with v4."""
    sling = world.sling
    if sling is None or sling.gone or method not in METHODS:
        return False
    return method != "sling-once" or major(sling) >= 4


def major(sling: Sling) -> int:
    """Return the first number of the version."""
    return int(sling.version.removeprefix("v").split(".")[0])


def answer(world: World, method: str, given: Given) -> Any:
    """Given one of its methods and the parameters, return the plugin's result."""
    sling = world.sling
    assert sling is not None
    if major(sling) < 4 and isinstance(given, dict) and method != "sling-job":
        raise refusal(f"{method}: expected array, got object")
    if method == "sling-version":
        return {"version": sling.version}
    if method == "sling-jobsettings":
        scid = one_scid(given)
        if scid is not None and scid not in sling.jobs:
            raise refusal("channel not found")
        return {key: job.as_json() for key, job in sorted(sling.jobs.items()) if scid in (None, key)}
    if method == "sling-stop":
        return stop(world, sling, one_scid(given))
    if method == "sling-stats":
        return stats(world, sling, given)
    return add(world, sling, given, once=method == "sling-once")


def refusal(message: str) -> SimRpcError:
    """Return an error as cln-plugin writes any of a handler's."""
    return SimRpcError(REFUSED, message)


def one_scid(given: Given) -> str | None:
    """Return the scid of parameters that may have one."""
    if isinstance(given, list):
        if len(given) > 1:
            raise refusal("Please provide exactly one ShortChannelId or nothing")
        value = given[0] if given else None
        if given and not isinstance(value, str):
            raise refusal("invalid ShortChannelId")
    else:
        value = given.get("scid")
    return None if value is None else checked_scid(value)


def checked_scid(value: Any) -> str:
    """Return an scid that is one."""
    try:
        scid_parts(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise refusal(f"invalid short channel id: {value}") from error
    return str(value)


def add(world: World, sling: Sling, given: Given, *, once: bool) -> dict[str, Any]:
    """Answer sling-job and sling-once."""
    if not isinstance(given, dict):
        raise refusal(f"Expected an object! Got {given} instead")
    terms = terms_of(given, once=once)
    target = next((one for one in world.channels.values() if one.scid == terms.scid and one.is_live), None)
    if target is None:
        raise refusal("Channel not found")
    task = sling.tasks.get(terms.scid)
    running = task is not None and task.active
    if not once:
        if running:
            raise refusal("Once-job is currently running for this channel")
        if task is not None:
            task.stopping = True
        sling.jobs[terms.scid] = terms
        return {"result": "success"}
    if target.receivable_msat() < (terms.once_msat or 0):
        raise refusal(f"Channel {terms.scid} has not enough capacity to pull {terms.once_msat}msat")
    if terms.scid in sling.jobs:
        raise refusal("There is already a job for that scid!")
    if running:
        raise refusal("There is already a job for that scid running!")
    sling.tasks[terms.scid] = SlingTask(terms)
    begin(world, sling.tasks[terms.scid])
    return {"result": "started"}


def terms_of(given: dict[str, Any], *, once: bool) -> SlingTerms:
    """Return a job's settings (src/parse.rs)."""
    for key in given:
        if key not in JOB_KEYS | ({"onceamount"} if once else {"target"}):
            raise refusal(f"Invalid argument: {key}")
    for key in ("scid", "direction", "amount", "maxppm", *(("onceamount",) if once else ())):
        if key not in given:
            raise refusal(f"Missing {key}")
    if given["direction"] not in ("pull", "push"):
        raise refusal(f"could not parse flow direction from `{given['direction']}`")
    if "outppm" not in given and "candidates" not in given:
        raise refusal("Atleast one of outppm and candidatelist must be set.")
    amount_sat, once_sat = positive(given, "amount"), positive(given, "onceamount") if once else None
    if once_sat is not None and once_sat % amount_sat:
        message = f"onceamount must be a multiple of amount. onceamount: {once_sat}, amount: {amount_sat}"
        raise refusal(message)
    ratio = given.get("depleteuptopercent", 0.2)
    if not isinstance(ratio, float) or not 0.0 <= ratio < 1.0:
        raise refusal("depleteuptopercent must be between 0.0 and <1.0")
    chosen = given.get("candidates")
    return SlingTerms(
        scid=checked_scid(given["scid"]),
        pulls=given["direction"] == "pull",
        amount_msat=amount_sat * 1_000,
        max_ppm=whole(given, "maxppm"),
        candidates=None if chosen is None else [checked_scid(scid) for scid in chosen],
        out_ppm=whole(given, "outppm") if "outppm" in given else None,
        floor_ratio=ratio,
        floor_msat=whole(given, "depleteuptoamount") * 1_000 if "depleteuptoamount" in given else 2_000_000_000,
        once_msat=None if once_sat is None else once_sat * 1_000,
        target_ratio=given.get("target"),
        parallel=positive(given, "paralleljobs") if "paralleljobs" in given else 1,
    )


def whole(given: dict[str, Any], key: str) -> int:
    """Return a whole number."""
    value = given[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise refusal(f"{key} must be an integer")
    return value


def positive(given: dict[str, Any], key: str) -> int:
    """Return a whole number that isn't 0."""
    if whole(given, key) == 0:
        raise refusal(f"{key} must be greater than 0")
    return whole(given, key)


def stop(world: World, sling: Sling, scid: str | None) -> dict[str, Any]:
    """Answer sling-stop: it returns when the tasks have stopped, which may take as long as a payment is waited for."""
    chosen = [task for key, task in sling.tasks.items() if scid in (None, key)]
    for task in chosen:
        task.stopping, task.state = True, "Stopping"
    if world.knobs.waiting_takes_time:
        world.run_until(world.now_at + TIMEOUT_PAY_SECONDS + 30, lambda: not any(task.active for task in chosen))
    for task in chosen:
        task.active = False
    return {"stopped_count": len(chosen)}


def forget(world: World, *, gone: bool) -> None:
    """Let the plugin's process end: tasks and preimages are in its memory alone."""
    if world.sling is not None:
        world.sling.gone = gone
        world.sling.tasks.clear()
        world.sling.preimages.clear()


def stats(world: World, sling: Sling, given: Given) -> Any:
    """Answer sling-stats: a table for people unless JSON is asked for."""
    values = list(given) if isinstance(given, list) else [given.get("scid"), given.get("json", False)]
    values = [value for value in values if value is not None]
    as_json = bool(values and values[-1] is True)
    scid = next((checked_scid(value) for value in values if isinstance(value, str)), None)
    if not as_json:
        return {"format-hint": "simple", "result": ""}
    if scid is not None:
        return history_json(sling, scid)
    return rows(world, sling)
