"""A pass on a disk that is full, at every point where it can fill up: nothing is half there, and it goes on later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from caucase.cli.updater import main
from caucase.client.updater.memory import read_memory, write_memory
from caucase.core.x509 import dump_der, load_certificate
from tests.small_disk import fill, mounted

from ..simulator import Simulator
from .test_kills import AGE, whole_files
from .test_one_pass import sign

pytestmark = pytest.mark.root("mount the small disk that this needs")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", pages=16) as folder:
        yield folder


@pytest.mark.parametrize("leave", range(10))
def test_a_full_disk(server: Simulator, disk: Path, leave: int, capsys: pytest.CaptureFixture[str]) -> None:
    config, state = disk.with_name("www.yaml"), disk / "www"
    config.write_text(
        f"ca_url: {server.url}\nnames: www.example.com\nkey_type: ec:P-256\ndirectory: {state}\n"
    )
    arguments = ["--config", str(config)]
    server.cas.clock = lambda: datetime.now(UTC) - AGE
    main(arguments)
    sign(server)
    main(arguments)
    notes = state / ".www.json"
    write_memory(notes, replace(read_memory(notes), checked_at=datetime.now(UTC) - AGE))
    server.cas.clock = lambda: datetime.now(UTC)
    server.cas.roll_over()
    server.cas.number += 1
    old = dump_der(load_certificate((state / "pair.pem").read_bytes()))
    capsys.readouterr()

    fill(disk, leave=leave)
    code, said = main(arguments), capsys.readouterr().err
    assert code == 0 or "No space left on device" in said, said
    whole_files(state)

    (disk / "filler").unlink()
    assert main(arguments) == 0
    whole_files(state)
    assert dump_der(load_certificate((state / "pair.pem").read_bytes())) != old
    assert not list(state.glob(".caucase-*")), "what could not be written is gone"
    if leave == 0:
        assert code == 1
