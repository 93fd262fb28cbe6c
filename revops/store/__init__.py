"""The records: one schema for SQLite and PostgreSQL, SQLAlchemy Core, nothing of which leaves this package.

`engine` opens a database and gives transactions; each other module is one theme, whose functions take the transaction
first.
"""
