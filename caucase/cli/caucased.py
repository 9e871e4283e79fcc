"""caucased: the server. Started by systemd with its sockets, or by hand, when it binds them itself.

Options are the keys of the YAML file (``caucase.config.schema``); one on the command line overrides the
file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from caucase.cli.common import Parser, run
from caucase.config.flags import add_options, given
from caucase.config.load import load_server_config
from caucase.host.events import Audit
from caucase.host.journal import setup_logging
from caucase.host.notify import Notifier
from caucase.host.sockets import bind_listeners, inherited_listeners


def parser() -> Parser:
    """The command line of ``caucased``."""
    result = Parser("caucased", "Certificate authority server for users (CAU) and services (CAS).")
    result.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="YAML file with any of the options below; they override it",
    )
    add_options(result)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after a signal or idleness, 78 for a configuration that cannot be used, 1 for other
    trouble.
    """
    return run("caucased", partial(_serve, arguments))


def _serve(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    setup_logging(program="caucased")
    load = partial(load_server_config, options.config, given(options))
    listeners = inherited_listeners()
    # Late: what is loaded here takes longest, and a wrong command line should say so at once.
    from caucase.appliance import policy_of
    from caucase.server.daemon import Daemon

    if listeners is None:
        config = load()
        netloc = policy_of(config).netloc
        listeners = bind_listeners(config.bind, netloc, config.base_port)
    try:
        Daemon(load, notifier=Notifier(), audit=Audit()).run(listeners)
    finally:
        listeners.close()
    return 0
