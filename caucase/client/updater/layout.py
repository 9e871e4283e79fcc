"""Where a certificate and what belongs to it are: names of files, and which of them are the same.

What the updater notes for itself is beside what it keeps, under hidden names that tell whose they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caucase.client.api import Mode
from caucase.client.pemfiles import CA_ENDING, CRL_ENDING, PemFiles
from caucase.config.updater import UpdaterConfig


@dataclass(frozen=True, kw_only=True)
class Layout:
    """``lock``: held during a pass. ``memory``: notes for the next one. ``request``: key and request that wait for a
    signature. ``cas``: CA certificates to keep, with whose they are; ``own_ca``: those of this mode.
    """

    lock: Path
    memory: Path
    request: Path
    cas: tuple[tuple[Mode, PemFiles], ...]
    own_ca: PemFiles
    lists: PemFiles

    @classmethod
    def of(cls, config: UpdaterConfig) -> Layout:
        mode = Mode(config.mode)
        own = PemFiles(path=config.ca, ending=CA_ENDING)
        cas = {(Mode.SERVICE, PemFiles(path=config.cas_ca, ending=CA_ENDING)): None, (mode, own): None}
        return cls(
            lock=config.directory / f".{config.name}.lock",
            memory=config.directory / f".{config.name}.json",
            request=config.directory / f".{config.name}.request.pem",
            cas=tuple(cas),
            own_ca=own,
            lists=PemFiles(path=config.crl, ending=CRL_ENDING),
        )
