"""What to do next about an error that does not say so itself: in one table, by its class.

Whoever raises an error knows best, and says it in its hint; but what is found deep inside does not know which command a
person has typed.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from caucase import errors
from caucase.errors import CaucaseError

_WRONG_INPUT = "Is it the right one, whole and unchanged? Give another one, or make it anew."
_LATER = "Try again a little later."

# The most derived class that is listed counts.
ADVICE: Mapping[type[CaucaseError], str] = {
    CaucaseError: "If that is not clear, the command's manual page says more: man 7 caucase.",
    errors.Malformed: _WRONG_INPUT,
    errors.NotAcceptable: "Change what is asked for, and ask again.",
    errors.CertificateInvalid: "Use a certificate that is valid; a new one is asked for with --send-csr.",
    errors.NotAuthenticated: "Use --user-key with the key and the valid certificate of a user.",
    errors.NotFound: "Is the name or the number right? --list-csr and --status show what there is.",
    errors.Conflict: "Look at what is there already, and use that, or another name.",
    errors.AlreadyRevoked: "Nothing is left to do.",
    errors.DuplicateKey: "Make a new key, for example with caucase-rerequest, and ask with that.",
    errors.TooLarge: _WRONG_INPUT,
    errors.TooSlow: _LATER,
    errors.Overloaded: _LATER,
    errors.QueueFull: "Have a user sign or reject some of them.",
    errors.ConfigError: "Correct that, and start the command again.",
    errors.NotConfigured: "Give --netloc, or netloc in the configuration file.",
    errors.Exposed: "Take the others' permissions away with chmod.",
    errors.StoreError: "caucased-manage --check says more; if the database is lost, see --restore-backup.",
    errors.Unreachable: "Is the address right, and caucased running there? caucase-probe URL tries it.",
    errors.ServerRefused: "The server's journal says more: journalctl -u caucased.",
    errors.Untrusted: "Nothing was changed here. Ask whoever runs the CA before you trust anything else.",
    errors.Expiring: "Look at it before it ends: --status says when.",
    errors.StillPending: "A user has to sign it; try again after that.",
    errors.HookFailed: "Mend the command, and call again: it is run until it succeeds.",
}

_OF_SYSTEM: Mapping[int, str] = {
    errno.ENOENT: "Is the name right?",
    errno.ENOTDIR: "Is the name right? A part of it is no folder.",
    errno.EISDIR: "Give the name of a file.",
    errno.EEXIST: "Give another name, or move it away.",
    errno.EACCES: "Do it as somebody who may, or change the permissions.",
    errno.EPERM: "Do it as somebody who may, or change the permissions.",
    errno.EROFS: "Give a place that can be written to.",
    errno.ENOSPC: "Make room, and start the command again.",
    errno.EDQUOT: "Make room, and start the command again.",
    errno.EFBIG: "Is it the right file?",
    errno.ELOOP: "Give the name of a file that is no link.",
    errno.EIO: "The disk or what it is connected with fails: look into the journal with journalctl -k.",
}
_OF_OTHERS = "Mend that, and start the command again."


def advice(error: CaucaseError | OSError) -> str:
    """A sentence that says what to do; empty if the error says it itself."""
    if isinstance(error, CaucaseError):
        if error.hint:
            return ""
        return next(ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE)
    return _OF_SYSTEM.get(error.errno or 0, _OF_OTHERS)
