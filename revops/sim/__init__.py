"""A market in virtual time and a lightningd-shaped node on it: for `demo`, `simulate` and the tests only."""
