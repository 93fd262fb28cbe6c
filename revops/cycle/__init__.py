"""One decision cycle a file: read, decide, act, record, export. The only part that knows everyone."""
