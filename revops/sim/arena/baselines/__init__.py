"""What others do: fee policies of known tools as the arena's baselines, by which a strategy of the product is judged.

Each is written anew from its published formulas, with its own defaults, its own cadence and its own faults, and goes
through none of the product's rails. `registry.py` has their names, `view.py` what they may see.
"""
