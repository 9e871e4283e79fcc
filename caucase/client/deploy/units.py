"""Tells systemd's units that something is new, by ``systemctl``. It never starts a service that is not running.

``reload`` is ``try-reload-or-restart``: a unit that cannot reload is restarted. ``restart`` is ``try-restart``.
Both do nothing to a unit that is not active: it reads the new files when it starts. ``start`` is ``start --wait``:
a hook is a unit that ends, and whether it ended well is known then.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from caucase.client.deploy.plan import Action, Verb
from caucase.errors import HookFailed
from caucase.host.events import escape
from caucase.host.progress import counting_seconds

SYSTEMCTL = Path("/usr/bin/systemctl")

# Several times what systemd gives a service to start and to stop. A hook that goes on longer is taken for one that
# does not end.
_TIMEOUT = 600.0
_SAID_LIMIT = 300  # characters of what systemctl said

_COMMANDS = {
    Verb.RELOAD: ("try-reload-or-restart",),
    Verb.RESTART: ("try-restart",),
    Verb.START: ("start", "--wait"),
}
_PAST = {Verb.RELOAD: "reloaded", Verb.RESTART: "restarted", Verb.START: "started"}


def act(action: Action, systemctl: Path) -> str:
    """Do it, and say so in a sentence. HookFailed if it did not succeed."""
    command = [
        str(systemctl), "--no-ask-password", "--no-pager", *_COMMANDS[action.verb], "--", action.unit,
    ]  # fmt: skip
    what = f"{action.unit} could not be {_PAST[action.verb]}"
    try:
        with counting_seconds(f"Waiting for {action.unit}"):
            done = subprocess.run(  # nosec B603 # noqa: S603 - a fixed program, and the unit's name is checked
                command,
                check=False,
                timeout=_TIMEOUT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
    except OSError as error:
        raise HookFailed(
            f"{what}: {systemctl}: {error.strerror}.", "Is systemd running here? Else leave units out."
        ) from None
    except subprocess.TimeoutExpired:
        raise HookFailed(f"{what}: it took longer than {_TIMEOUT:g} s.", _look_at(action)) from None
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise HookFailed(f"{what}: {escape(said.rstrip('.'), _SAID_LIMIT)}.", _look_at(action))
    return f"{action.unit} was {_PAST[action.verb]}."


def _look_at(action: Action) -> str:
    return f"See systemctl status {action.unit}, and journalctl -u {action.unit}."
