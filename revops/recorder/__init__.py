"""The companion plugin of Core Lightning, and the spool that it writes. It knows nothing else of revops."""
