"""The SQL dump inside a backup of caucase 0.9: each statement followed by a zero byte.

Nothing of it is executed. A dump needs five kinds of statements and five kinds of values; this reads those
into tables and refuses everything else, so that a hostile dump has nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from caucase.errors import Malformed, TooLarge
from caucase.store.legacy import OUTDATED_TABLES, TABLES, Legacy, Tables, Value, check_release, interpret

# Of the whole: a hundred thousand revocations take 6 MB, a thousand users with their certificates as much.
DUMP_LIMIT = 256 << 20
# The largest body that a request may have is 10 MiB, in hexadecimal twice that.
STATEMENT_LIMIT = 32 << 20

_BEGIN, _COMMIT = b"BEGIN TRANSACTION;", b"COMMIT;"
# The longest of caucase 0.9 has 110 characters.
_CREATE = re.compile(rb'CREATE TABLE "?([a-z_]{1,40})"?\s?\(([a-zA-Z_",\s]{0,1000}+)\);')
_COLUMN = re.compile(rb'\s*"?([a-z_]+)"?(?:\s[A-Z\s]*)?')
_INSERT = re.compile(rb'INSERT INTO "([a-z_]{1,40})" VALUES\(')
_VALUE = re.compile(
    rb"(?P<null>NULL)|X'(?P<blob>[0-9A-Fa-f]*+)'|'(?P<text>[^']*+(?:''[^']*+)*+)'|(?P<integer>-?[0-9]{1,19})"
)


def read_dump(blocks: Iterable[bytes]) -> Legacy:
    """What a dump says, which comes in blocks of any size. Malformed, TooLarge."""
    return interpret(_tables(_statements(blocks)))


def _statements(blocks: Iterable[bytes]) -> Iterator[bytes]:
    total, rest = 0, bytearray()
    for block in blocks:
        total += len(block)
        if total > DUMP_LIMIT:
            raise TooLarge(f"The dump in the backup is larger than {DUMP_LIMIT} bytes.")
        first, *others = block.split(b"\0")
        rest += first
        if len(rest) > STATEMENT_LIMIT:
            raise TooLarge(f"A statement of the dump is larger than {STATEMENT_LIMIT} bytes.")
        for other in others:
            yield bytes(rest)
            rest = bytearray(other)
    if rest:
        raise Malformed("The dump in the backup is cut off.")


def _tables(statements: Iterator[bytes]) -> Tables:
    if next(statements, b"") != _BEGIN:
        raise Malformed("The backup holds no dump of a caucase 0.9 database.")
    orders: dict[str, tuple[int, ...]] = {}
    tables: dict[str, list[tuple[Value, ...]]] = {}
    for statement in statements:
        if created := _CREATE.fullmatch(statement):
            table = _name(created[1])
            if table in tables:
                raise _foreign(statement)
            orders[table] = _order(table, created[2], statement)
            tables[table] = []
        elif inserted := _INSERT.match(statement):
            table = _name(inserted[1])
            if table not in tables:
                raise _foreign(statement)
            columns = len(orders[table])
            values = tuple(islice(_values(statement, inserted.end()), columns + 1))
            if len(values) != columns:
                raise _foreign(statement)
            tables[table].append(tuple(values[index] for index in orders[table]))
        elif statement == _COMMIT:
            if next(statements, None) is not None:
                raise Malformed("Something follows the end of the dump.")
            check_release(tables)
            return {table: rows for table, rows in tables.items() if table not in OUTDATED_TABLES}
        else:
            raise _foreign(statement)
    raise Malformed("The dump in the backup is cut off.")


def _name(raw: bytes) -> str:
    name = raw.decode("ascii")
    if name not in TABLES and name not in OUTDATED_TABLES:
        raise Malformed(f"The dump has a table {name}, which caucase 0.9 has not.")
    return name


def _order(table: str, columns: bytes, statement: bytes) -> tuple[int, ...]:
    """Where in a row of the dump the columns are that we know, in our order."""
    found = [_COLUMN.fullmatch(column) for column in columns.split(b",")]
    names = [match[1].decode("ascii") for match in found if match]
    known = TABLES.get(table, names)  # nobody reads an outdated table
    if len(names) != len(found) or sorted(names) != sorted(known):
        raise _foreign(statement)
    return tuple(names.index(column) for column in known)


def _values(statement: bytes, position: int) -> Iterator[Value]:
    while value := _VALUE.match(statement, position):
        yield _value(value, statement)
        position = value.end()
        end = statement[position : position + 1]
        if end == b")" and statement[position:] == b");":
            return
        if end != b",":
            break
        position += 1
    raise _foreign(statement)


def _value(match: re.Match[bytes], statement: bytes) -> Value:
    if match["null"] is not None:
        return None
    if (blob := match["blob"]) is not None:
        try:
            return bytes.fromhex(blob.decode("ascii"))
        except ValueError:
            raise _foreign(statement) from None
    if (text := match["text"]) is not None:
        return text.replace(b"''", b"'")
    return int(match["integer"])


def _foreign(statement: bytes) -> Malformed:
    # The first words alone: what follows may be a key.
    words = re.match(rb"[A-Z ]{0,20}", statement)
    shown = words[0].decode("ascii").strip() if words else ""
    return Malformed(
        f"The dump has a statement that no database of caucase 0.9 needs{f', {shown}' if shown else ''}."
    )
