"""Where the log goes: to the journal, with fields, if stderr leads there; else to stderr, a line each.

One entry is one line whatever it is about: what is not printable is escaped, so that nobody can forge
another.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from systemd import journal

from caucase.host.events import AUDIT_LOGGER, escape

_JOURNAL = Path("/run/systemd/journal/socket")  # systemd-journald.service(8)

ACCESS_LOGGER = "caucase.access"
"""The logger of access lines; those are complete as they are, time included."""

# As much of a message as a person reads; tracebacks are not counted.
MESSAGE_LIMIT = 4096

# Priorities of syslog(3) from the lowest level of logging on that has them.
_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))
_TIME = logging.Formatter()


def setup_logging(*, program: str = "caucased", verbose: bool = False, is_installed: bool = False) -> None:
    """Send all logging to the journal if stderr leads there, else to stderr; replaces an earlier set-up.

    ``program`` is the name in front of entries in the journal. ``verbose`` adds debugging messages. ``is_installed``:
    audit entries go to the journal in any case, where there is one: what is done by hand to the installed server
    belongs beside what it does itself.
    """
    # Nobody reads these, and they are looked up for each entry.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    in_journal = connected_to_journal()
    handler = JournalHandler(program) if in_journal else StderrHandler()
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    also = is_installed and not in_journal and _JOURNAL.exists()
    logging.getLogger(AUDIT_LOGGER).handlers = [JournalHandler(program)] if also else []


def connected_to_journal() -> bool:
    """Whether stderr is the stream to the journal that JOURNAL_STREAM names (systemd.exec(5))."""
    stream = os.environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends a record to the journal with its fields; systemd's own class sends every attribute."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = {
                "PRIORITY": str(_priority(record.levelno)),
                "SYSLOG_IDENTIFIER": self._program,
                "LOGGER": record.name,
                "CODE_FILE": record.pathname,
                "CODE_LINE": record.lineno,
                "CODE_FUNC": record.funcName,
                **getattr(record, "journal", {}),
            }
            journal.send("\n".join((_message(record), *_traceback(record))), **fields)
        except Exception:  # noqa: BLE001 - as every logging handler: a log entry that fails stops nobody
            self.handleError(record)


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]  # is generic for type checkers only
    """Writes a record on stderr as one line: time, level, message. Those of a traceback follow, indented."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == ACCESS_LOGGER:
            return _message(record)
        time = _TIME.formatTime(record, "%Y-%m-%d %H:%M:%S")
        head = f"{time} {record.levelname.lower()} {_message(record)}"
        return "\n    ".join((head, *_traceback(record)))


def _priority(level: int) -> int:
    return next(priority for lowest, priority in _PRIORITIES if level >= lowest)


def _message(record: logging.LogRecord) -> str:
    return escape(record.getMessage(), MESSAGE_LIMIT)


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info:
        return []
    return [escape(line) for line in _TIME.formatException(record.exc_info).splitlines()]
