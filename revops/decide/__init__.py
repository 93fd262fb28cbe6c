"""The decisions: pure functions over snapshots. Time and parameters are arguments; nothing here reads or writes."""
