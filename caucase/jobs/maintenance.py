"""What the timers' jobs do, in one pass, for a server that runs without systemd and so without timers."""

from __future__ import annotations

from caucase.authority import Authority
from caucase.clock import Clock
from caucase.config.schema import ServerConfig
from caucase.host.events import Audit
from caucase.jobs.backup import back_up, is_due


def maintain(authority: Authority, config: ServerConfig, *, clock: Clock, audit: Audit) -> None:
    """Make what is due: CA successors, lists, the HTTPS certificate, a backup if there is a folder for them.

    ConfigError, StoreError, Conflict, OSError.
    """
    authority.maintain()
    authority.prune()
    authority.report_record()
    folder = config.backup_directory
    if folder is not None and is_due(folder, config.backup_period, clock()):
        back_up(config.db, folder, keep=config.backup_keep, clock=clock, audit=audit)
