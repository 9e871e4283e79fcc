"""What the README promises a new user, done: ``make run``'s script, and the commands of "Ten minutes with your own server"."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..server.process import free_ports

ROOT = Path(__file__).parent.parent.parent
SECONDS = 90

PORT = "8009"
READY = f"until curl --silent --output /dev/null http://localhost:{PORT}/; do sleep 0.1; done"


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


def test_commands_of_the_readme(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    # What comes before is done here already: "make venv".
    section = text[text.index("**The server.**") : text.index("## More")]
    commands = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    script = ["set -eu -o pipefail", "trap 'kill %1; wait %1' EXIT"]
    for command in commands:
        script.append(re.sub(r"\bID\b", "$ID", command))
        if command.startswith("caucased --config"):
            script.append(READY)
        elif command.startswith("caucase ") and "--send-csr" in command:
            script[-1] += " > sent.log"
            script.append("ID=$(cut -d ' ' -f 1 sent.log)")
        elif command == "caucase-updater --config mail.yaml":
            script[-1] += " | tee updated.log"
            script.append("ID=$(sed -n 's/.* id is \\([0-9]*\\)\\.$/\\1/p' updated.log)")
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        # Another port, so that both tests can run at once.
        ["/bin/bash", "-c", "\n".join(script).replace(PORT, str(free_ports()))],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "www.crt.pem: OK" in done.stdout
    assert "mail/pair.pem: the certificate was issued" in done.stdout
