"""What the README promises somebody who only wants to look: ``make run``'s script."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SECONDS = 90


def test_make_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        shown = subprocess.Popen(
            [ROOT / "scripts" / "run"],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while "done; serving on http://localhost:8009" not in log.read_text():
            assert shown.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
    finally:
        os.killpg(shown.pid, signal.SIGINT)  # the group is ours: it began with this process
        status = shown.wait(SECONDS)
    text = log.read_text()
    assert status == 0, text
    assert "www.crt.pem: OK" in text
    assert "certificate revoked" in text
    assert "Revoked Certificates:" in text
