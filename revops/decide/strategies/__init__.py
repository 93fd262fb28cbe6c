"""How a fee is proposed. A strategy is one function (`base.Strategy`); the rails dispose of what it proposes."""
