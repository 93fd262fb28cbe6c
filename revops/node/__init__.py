"""The node: lightningd's JSON-RPC turned into `domain` values, and back. Imports nothing until it is used."""
