"""The examples of docs/updater.md: every one is a configuration, and nginx and HAProxy take what is installed for
theirs, by the very lines that the page gives for their own files.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from caucase.client.deploy import deploy
from caucase.config.load_updater import load_updater_config
from tests.client.machine import Machine

PAGE = (Path(__file__).parents[2] / "docs" / "updater.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = {
    match[1]: text
    for kind, text in BLOCKS
    if kind == "yaml" and (match := re.match(r"# /etc/caucase/updater/(\S+)\.yaml\n", text))
}
SERVERS = {
    "www": "nginx",
    "intranet": "apache",
    "postgresql": "ini",
    "haproxy": "haproxy",
    "vpn": "openvpn",
    "mail": "ini",
}


def test_every_block_is_looked_at() -> None:
    assert [kind for kind, _ in BLOCKS].count("yaml") == len(EXAMPLES) == len(SERVERS) + 1
    assert set(SERVERS) < set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_configuration(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(EXAMPLES[name])
    config = load_updater_config(file)
    assert config.install
    assert config.reload or config.restart or config.start
    if name not in SERVERS:
        return
    # The server is told of all files, and of no others.
    follows = [kind for kind, text in BLOCKS].index("yaml") + list(EXAMPLES).index(name) * 2 + 1
    kind, text = BLOCKS[follows]
    assert kind == SERVERS[name]
    assert set(re.findall(r"/etc/[\w./-]+\.pem", text)) == {str(entry.path) for entry in config.install}


def deployed(tmp_path: Path, name: str, folder: str) -> str:
    """Deploy an example and give the server's lines, both in ``etc`` of a machine instead of ``folder``."""
    machine = Machine(tmp_path)
    file = tmp_path / f"{name}.yaml"
    file.write_text(EXAMPLES[name].replace(folder, str(machine.etc)))
    config = load_updater_config(file, directory=machine.state)
    for _ in range(2):  # the second time over what is there
        machine.renew()
        assert not deploy(config, systemctl=machine.systemctl).waiting
    lines = next(text for kind, text in BLOCKS if kind == SERVERS[name])
    return lines.replace(folder, str(machine.etc))


def test_nginx_takes_it(tmp_path: Path) -> None:
    lines = deployed(tmp_path, "www", "/etc/nginx").replace("443", f"unix:{tmp_path}/socket")
    file = tmp_path / "nginx.conf"
    file.write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{lines}\n}}\n"
    )
    done = subprocess.run(
        ["/usr/sbin/nginx", "-t", "-p", tmp_path, "-e", "stderr", "-c", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr


def test_haproxy_takes_it(tmp_path: Path) -> None:
    lines = deployed(tmp_path, "haproxy", "/etc/haproxy")
    file = tmp_path / "haproxy.cfg"
    file.write_text(f"global\n    ssl-default-bind-options ssl-min-ver TLSv1.2\n{lines}")
    done = subprocess.run(
        ["/usr/sbin/haproxy", "-c", "-f", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "valid" in done.stdout + done.stderr
