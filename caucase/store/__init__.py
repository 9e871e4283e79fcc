"""The database: SQLite and nothing else. ``sqlite3`` is imported only in this folder.

``db`` opens it and runs transactions, ``schema`` says what is in it, and each other module holds the
statements of one aggregate. Nothing here decides anything.
"""

from caucase.store.db import COMPANIONS, Database, Transaction, Write, check_absent, damage

__all__ = ["COMPANIONS", "Database", "Transaction", "Write", "check_absent", "damage"]
