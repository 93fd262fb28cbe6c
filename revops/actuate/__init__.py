"""The only part that changes the node. Intent is written down before each call, its outcome after."""
