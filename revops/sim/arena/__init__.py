"""The arena: a market without a node, quick enough to judge fee policies by whole months of it.

Customers are drawn beforehand (`demand.py`), so that two policies on one seed meet the same ones; `market.py` moves the
liquidity, `records.py` keeps what the product's own records would hold, `policies.py` decides every half hour through
`decide_fees`, `oracle.py` finds the best constant fees in hindsight.

`full.py` runs the product's full cycles in the same market, by way of a simulated node that shows it as lightningd
would (`node.py`, `bridge.py`). They decide exactly as records alone do, which a test holds. Both can rebalance
(`revops simulate --rebalance`, `rebalancing.py`), full cycles by real paths.

`runner.py` lets policies live through a world, `pool.py` on all cores; `outcome.py` is what is kept of it, `stats.py`
and `null_test.py` say what it proves, `headings.py`, `tables.py`, `plots.py` and `page.py` show it (`revops simulate`).
"""
