from __future__ import annotations
import math, os, json
from dataclasses import replace
from revops.decide.governor import dead_band_ppm
from revops.decide.openness import could_route
from revops.decide.value import value_ppm
from revops.decide.strategies.base import Proposal, reset, watch
from revops.domain.reason import ReasonCode, why

K = dict(e0=1.0, tau=0.7, half=7.0, width=1.0, mode=1, kappa=0.3, z=0.0, grow=1.3, shrink=0.5, n=30, open=1, mincount=0.0, vin=1.0, vk=1.0,first=0.2,zc=0.0,sdc=0.6,probe=9.0,js=0.0)
K.update(json.loads(os.environ.get("HC", "{}")))

def propose(offer, policy, now):
    fee = offer.channel.local_terms.fee_ppm
    state, anew = watch(offer, now)
    if anew is not None:
        return Proposal(fee, 0.0, (anew,), replace(state, step_ratio=K["first"]), reset(state))
    hours = state.open_seconds / 3600
    rate = (offer.score_msat or 0.0) / hours if hours > 0 else 0.0
    r = why(ReasonCode.OBSERVING, fee_ppm=fee, open_hours=round(hours, 1), needed_hours=8, forward_count=offer.earned_count)
    stay = Proposal(fee, rate, (r,), state, reset(state))
    if now - state.window_start_at < policy.min_interval_seconds - 700: return stay
    shut = not could_route(offer.channel)
    if state.open_seconds < K["open"] * policy.min_interval_seconds - 700 and not shut:
        return stay
    x0 = math.log(max(fee, 1))
    windows = [*state.windows]
    if hours > 0: windows.append((now, x0, hours, offer.interest_count))
    V = value_ppm(offer.signals, offer.channel.spendable_msat, fee)
    m = max(1 - K["vk"] * V / max(fee, 1) + K["vin"] * offer.signals.entry_value_ppm / max(fee, 1), 0.05)
    e, sd, n = fit(windows, x0, now)
    g = 1 / m - e
    if n < K["mincount"] and V < 0.3 * fee: pass
    if shut and V <= 0: return stay
    d = 1 if g > 0 else -1
    if K["mode"] == 1:
        step = state.step_ratio * (K["grow"] if d == state.direction else K["shrink"])
        step = min(max(step, 0.04), policy.max_step_ratio)
        if abs(g) < K["z"] * sd: return stay
    else:
        step = min(K["kappa"] * abs(g) * g * g / (g * g + K["js"] * sd * sd + 1e-9), policy.max_step_ratio)
        if sd > K["probe"] and step < K["first"]: step, d = K["first"], (state.direction if abs(g) < .1 else d)
        elif sd < K["sdc"] and abs(g) < K["zc"] * sd and not shut: return stay
        if step * fee < dead_band_ppm(fee, policy): return stay
    change = max(round(fee * step), dead_band_ppm(fee, policy))
    if_sent = replace(reset(state), direction=d, step_ratio=step, windows=tuple(windows[-int(K["n"]):]))
    return Proposal(fee + d * change, rate, (r,), state, if_sent)

def fit(windows, x0, now):
    rows = []
    for at, x, h, n in windows:
        w = 0.5 ** ((now - at) / 86400 / K["half"]) * math.exp(-0.5 * ((x - x0) / K["width"]) ** 2)
        rows.append((x - x0, w * h, w * n))
    N = sum(r[2] for r in rows)
    NX = sum(r[0] * r[2] for r in rows)
    e = K["e0"]; p = 1 / K["tau"] ** 2
    var = 0
    for _ in range(8):
        s0 = s1 = s2 = 0.0
        for x, h, _n in rows:
            q = h * math.exp(-e * x); s0 += q; s1 += q * x; s2 += q * x * x
        if s0 <= 0: break
        mean = s1 / s0; var = max(s2 / s0 - mean * mean, 0)
        grad = -NX + N * mean - (e - K["e0"]) * p
        e += min(max(grad / (N * var + p), -1), 1)
    return e, 1 / math.sqrt(N * var + p), N
