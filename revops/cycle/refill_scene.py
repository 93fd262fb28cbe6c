"""What rebalancing is decided on, by `plan` and once more by `run`: the node as it is, and what the records say."""

from __future__ import annotations

from revops.cycle.market import read_market
from revops.cycle.policies import channel_policies
from revops.cycle.session import Session
from revops.cycle.stability import stability_reasons
from revops.cycle.verdict import read_verdict
from revops.decide.rebalance.moves import counted, moves_of
from revops.decide.rebalance.scene import Scene
from revops.decide.scoring import signals_of
from revops.domain.snapshot import NodeView, RebalanceSnapshot
from revops.store import fees, flows, jobs, plans, refills, signals
from revops.store.days import DAY_SECONDS

#: Attempts of so long tell how reliable a pair is; older ones have faded.
ATTEMPT_DAYS = 14


def read_scene(session: Session, view: NodeView) -> Scene:
    """Given the node as it is, return the scene in which refills are judged: what is under way counts as done."""
    config, now = session.config, view.taken_at
    horizon_days = config.rebalance.horizon_days
    with session.database.read(session.node_key) as tx:
        traffic, market = signals.load(tx), read_market(tx, now)
        states = fees.fee_states(tx)
        policies = channel_policies(tx, config, view.channels, now)
        snapshot = RebalanceSnapshot(
            view=view,
            flows=flows.flows(tx, now - horizon_days * DAY_SECONDS),
            in_flight=plans.in_flight_channels(tx),
            budget_left_msat=read_verdict(tx, config.budget, now).left_msat,
            signals={
                channel.channel_id: market.signals(
                    channel, signals_of(channel.channel_id, channel.peer_id, traffic, now)
                )
                for channel in view.channels
            },
            figures={name: state.demand for name, state in states.items() if state.demand is not None},
            attempts=refills.attempts(tx, now - ATTEMPT_DAYS * DAY_SECONDS),
            lots=refills.lots(tx, now, horizon_days),
            spent_msat=refills.spent_by_source(tx, now - horizon_days * DAY_SECONDS),
            permissions={channel_id: policy.rebalance for channel_id, policy in policies.items()},
            unstable=stability_reasons(tx, config, view),
            congested_since=fees.congested_since(tx),
            ceilings_ppm={
                channel.channel_id: (policies[channel.channel_id] if policies else config).fees.max_ppm
                for channel in view.channels
            },
        )
        under_way = [move for job in jobs.open_jobs(tx) for move in moves_of(job)]
    return Scene(counted(snapshot, under_way), config.rebalance)
