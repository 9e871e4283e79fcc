"""Tells systemd how the service is doing (sd_notify(3)); says nothing where nobody listens.

A status is for people, in ``systemctl status``: one short line, and never a secret.
"""

from __future__ import annotations

import os

from sdnotify import SystemdNotifier

# What a terminal shows of a status without wrapping into something unreadable.
STATUS_LIMIT = 300


class Notifier:
    """One side of the conversation with the service manager, as the environment describes it.

    ``supervised``: somebody listens (NOTIFY_SOCKET is set). ``watchdog_interval``: send ``watchdog()`` so
    often, in seconds, or ``None`` if that is not wanted; half of what the manager waits for
    (sd_watchdog_enabled(3)).
    """

    def __init__(self) -> None:
        self.supervised = bool(os.environ.get("NOTIFY_SOCKET"))
        self.watchdog_interval = _watchdog_interval()
        # Without the variable the class would leave an open socket behind.
        self._notifier = SystemdNotifier() if self.supervised else None

    def ready(self, status: str) -> None:
        """The service can answer: after the start, and after a reload."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """What the service is doing."""
        self._send(_status(text))

    def reloading(self) -> None:
        """The configuration is being read again; ``ready`` ends it."""
        self._send("RELOADING=1")

    def stopping(self) -> None:
        """The service ends, on a signal or because it is idle."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """The service is alive; to be sent only after it has really done something."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Let go of the connection; what is said afterwards is not heard."""
        if self._notifier is not None and self._notifier.socket is not None:
            self._notifier.socket.close()

    def _send(self, *assignments: str) -> None:
        if self._notifier is not None:
            # SystemdNotifier encodes as Latin-1, and silently sends nothing when it cannot; systemd wants
            # UTF-8.
            self._notifier.notify("\n".join(assignments).encode().decode("latin-1"))


def _status(text: str) -> str:
    line = " ".join(text.split()).encode(errors="replace").decode()
    return "STATUS=" + (line if len(line) <= STATUS_LIMIT else line[: STATUS_LIMIT - 1] + "…")


def _watchdog_interval() -> float | None:
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    for_process = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or for_process not in ("", str(os.getpid())):
        return None
    return int(microseconds) / 2_000_000 or None
