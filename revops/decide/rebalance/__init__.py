"""`rebalance plan`, decided in two steps: what might be worth moving, and, once the node has quoted routes for the best
of it, what is.

    survey.py      every live channel as a target, with the sources that might fill it, or why not
    offers.py      what one channel promises to another
    priced.py      which routes to ask the node for, and what a pair comes to at its answer
    plan.py        the plan, and which smaller amounts to ask the node about before it
    writer.py      amount, limit and expected gain of each job, or why there is none
      decided.py       jobs and skips as they are stored and printed
      moves.py         what is decided or under way, counted as done
      scene.py         the channels of one plan, with what is asked of them again and again
      worth.py         what a sat is worth on a channel, from empty to full
      room_prices.py   what room is worth, and what of a fee belongs to it
      worthless.py     why that is nothing
      bands.py         how far a channel may be filled or drained
      sale_chance.py   the chance that what is bought is sold, and its lower bound
      kelly.py         what may be staked on that
      stop_loss.py     where what was bought did not sell
      reliability.py   how often attempts end well, and when to try again
      obstacles.py     what keeps a channel out
      bound.py         which bound keeps a route from costing more
      wording.py       the reasons, with their numbers
    judge.py       a stored job, judged once more by `rebalance run` when its turn comes
"""
