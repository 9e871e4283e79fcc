"""One tree of exceptions: what went wrong, what the operator can do about it, the exit code of a command.

There is no HTTP here: ``caucase.server.problems`` maps these classes to statuses, in one table. Messages are
one sentence for a person and never carry secrets. An exception outside this tree is a defect: commands let it
through, and the server answers it with a bare 500 and a journal entry.
"""

from __future__ import annotations

EX_ERROR = 1
EX_PENDING = 2
EX_HOOK_FAILED = 3
EX_CONFIG = 78  # sysexits.h; systemd shows it as CONFIG


class CaucaseError(Exception):
    """Something a person can understand went wrong.

    ``message``: one sentence saying what. ``hint``: one sentence saying what to do about it, or empty.
    """

    exit_code = EX_ERROR

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        # Mistakes in a file have a line each, without a full stop.
        separator = " " if self.message.endswith((".", "?", "!")) else "\n"
        return f"{self.message}{separator}{self.hint}".rstrip()


# What a request can be refused for.


class Malformed(CaucaseError):
    """The input is not what it claims to be: wrong encoding, wrong signature, a value out of range."""


class NotAcceptable(CaucaseError):
    """The input is well-formed, and against the rules of this authority."""


class CertificateInvalid(CaucaseError):
    """A certificate that was presented is expired, not yet valid, revoked, or not ours."""


class NotAuthenticated(CaucaseError):
    """A user's certificate is needed, and none, or not a good one, was presented."""


class NotFound(CaucaseError):
    """There is no such thing, or not any more, or not for this purpose."""


class Conflict(CaucaseError):
    """The request contradicts what is stored."""


class AlreadyRevoked(Conflict):
    """The certificate, or the serial, is revoked already."""


class DuplicateKey(Conflict):
    """Another request with the same public key exists where a key may have one only."""


class TooLarge(CaucaseError):
    """The input is larger than its limit."""


class TooSlow(CaucaseError):
    """The input did not come within the time that there is for it."""


class Overloaded(CaucaseError):
    """There is too much to do at this moment; a little later there will be less."""


class QueueFull(CaucaseError):
    """As many requests as allowed are waiting for a decision."""


class QueueShareFull(QueueFull):
    """As many requests as allowed for one address are waiting for a decision."""


# What keeps the server or a command from working.


class ConfigError(CaucaseError):
    """The configuration, or the command line, has mistakes; the message holds one line for each."""

    exit_code = EX_CONFIG


class NotConfigured(ConfigError):
    """The server has not been told who it is."""


class Exposed(CaucaseError):
    """A file with secrets, or the folder that it is in, is open to others."""

    exit_code = EX_CONFIG


class StoreError(CaucaseError):
    """The database cannot be used: not there, not ours, too new, locked for too long, damaged."""


# What a client meets.


class Unreachable(CaucaseError):
    """No usable answer from the server: refused, reset, timed out, not speaking HTTP."""


class ServerRefused(CaucaseError):
    """The server answered with an error. ``status`` is its code as a number, ``detail`` its sentence, if any."""

    def __init__(self, message: str, hint: str = "", *, status: int, detail: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.detail = detail


class Untrusted(CaucaseError):
    """What the server presents does not follow from what is trusted here."""


class Expiring(CaucaseError):
    """Something that is in use ends soon, and could not be replaced in time."""


class StillPending(CaucaseError):
    """A requested certificate has not been signed yet."""

    exit_code = EX_PENDING


class HookFailed(CaucaseError):
    """The command to run after a renewal could not be run, or failed."""

    exit_code = EX_HOOK_FAILED
