"""`splice plan`: which channels earn by more capacity, and out of what they get it."""
