"""One pass: looks, plans, carries out, and says how it stands. Network trouble is no failure while there is time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from caucase.client.api import Client, Mode
from caucase.client.updater.carry_out import Changing, carry_out
from caucase.client.updater.layout import Layout
from caucase.client.updater.look import look
from caucase.client.updater.plan import THE_CERTIFICATE, Deadline, Plan, Task, plan
from caucase.clock import Clock
from caucase.config.updater import UpdaterConfig
from caucase.errors import CaucaseError, CertificateInvalid, Expiring, ServerRefused, Unreachable
from caucase.host.files import exclusive, remove_leftovers
from caucase.host.secrecy import check_key

# Seconds before another attempt, on the average: what a server that is being restarted needs. What takes longer
# is left to the next pass.
_PAUSES = (1.0, 4.0)
# No file takes so long to be written.
_LEFTOVER_AGE = timedelta(hours=1)
# Statuses that say that the server, or the network, is not well, rather than that the request is not.
_UNWELL = 500
_LATER = (408, 429)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a pass ended well. ``sentences``: what was done. ``pending``: id of the request that waits for a signature,
    or empty. ``trouble``: why the server could not be asked, while nothing ends soon.
    """

    sentences: tuple[str, ...]
    pending: str
    trouble: CaucaseError | None
    next_due: datetime


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a pass needs of the world: the time; how to let some pass; a number from 0 to 1 at random; who is told
    before and after each change of a file.
    """

    clock: Clock
    sleep: Callable[[float], None]
    random: Callable[[], float]
    changing: Changing


def one_pass(config: UpdaterConfig, around: Surroundings) -> Outcome:
    """Do what is due, if anything is.

    Raises Expiring if something ends within its margin and could not be replaced, CertificateInvalid if the
    certificate was revoked, Exposed if others can read the key, Untrusted and other CaucaseErrors for what only a
    person can mend, OSError.
    """
    layout = Layout.of(config)
    if config.key is not None:
        check_key(config.key)
    config.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(layout.lock):
        remove_leftovers(config.directory, older_than=around.clock() - _LEFTOVER_AGE)
        return _one_pass(config, around)


def _one_pass(config: UpdaterConfig, around: Surroundings) -> Outcome:
    done: list[str] = []
    trouble = None
    for pause in (*_PAUSES, None):
        now = around.clock()
        planned = plan(look(config), config, now)
        if not planned.tasks:
            break
        try:
            _carry_out(planned, config, now, around.changing, done)
        except (Unreachable, ServerRefused) as error:
            if isinstance(error, ServerRefused) and error.status < _UNWELL and error.status not in _LATER:
                raise
            trouble = error
        else:
            trouble = None
            break
        if pause is not None:
            around.sleep(pause * (0.5 + around.random()))
    now, here = around.clock(), look(config)
    if here.is_revoked:
        raise CertificateInvalid(
            f"{config.crt}: the certificate was revoked.",
            "To ask for another one, move the file away.",
        )
    planned = plan(here, config, now)
    waiting = here.memory.request if Task.FETCH in planned.tasks else None
    pending = "" if waiting is None else waiting.csr_id
    _check_deadlines(planned, now, pending, trouble)
    return Outcome(sentences=tuple(done), pending=pending, trouble=trouble, next_due=planned.next_due)


def _carry_out(
    planned: Plan, config: UpdaterConfig, now: datetime, changing: Changing, done: list[str]
) -> None:
    with ExitStack() as stack:
        clients = {mode: stack.enter_context(Client(config.ca_url, mode=mode)) for mode in Mode}
        carry_out(planned, config, clients, now=now, changing=changing, done=done)


def _check_deadlines(planned: Plan, now: datetime, pending: str, trouble: CaucaseError | None) -> None:
    near = [deadline for deadline in planned.deadlines if deadline.is_near(now)]
    if not near:
        return
    reason = "the server has nothing newer"
    if trouble is not None:
        reason = trouble.message.rstrip(".")
    elif pending and any(deadline.what == THE_CERTIFICATE for deadline in near):
        reason = f"request {pending} waits for a user's signature"
    raise Expiring(
        f"{_sentence(near, now)}, and could not be replaced: {reason}.", trouble.hint if trouble else ""
    )


def _sentence(near: Iterable[Deadline], now: datetime) -> str:
    parts = []
    for deadline in near:
        verb = "ends" if deadline.end > now else "ended"
        parts.append(f"{deadline.what} {verb} on {deadline.end:%Y-%m-%d %H:%M} UTC")
    text = ", ".join(parts)
    return text[0].upper() + text[1:]
