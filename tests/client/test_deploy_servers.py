"""The recipes: every updater's file is a configuration, and nginx and HAProxy take what is installed for theirs, by the very
lines that the page gives for their own files. ``tests/system`` follows all of them on a machine.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from caucase.client.deploy import deploy
from caucase.config.load_updater import load_updater_config
from tests.client.machine import Machine
from tests.docs import markdown

RECIPES = markdown.read("docs/recipes.md")
FILES = {block.path: block.text for block in markdown.blocks(RECIPES) if block.path}
EXAMPLES = {Path(path).stem: text for path, text in FILES.items() if path.startswith("/etc/caucase/updater/")}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_configuration(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(EXAMPLES[name])
    config = load_updater_config(file)
    assert config.install or config.restart
    # What is installed is used; of one folder every file is.
    for entry in config.install:
        used = entry.path if entry.path.parent.name != "ca-certificates" else entry.path.parent
        assert RECIPES.count(str(used)) > 1, entry.path


def deployed(tmp_path: Path, name: str, folder: str, server: str) -> str:
    """Deploy an example and give the lines of the file ``server``, both in ``etc`` of a machine instead of ``folder``."""
    machine = Machine(tmp_path)
    file = tmp_path / f"{name}.yaml"
    file.write_text(EXAMPLES[name].replace(folder, str(machine.etc)))
    config = load_updater_config(file, directory=machine.state)
    for _ in range(2):  # the second time over what is there
        machine.renew()
        assert not deploy(config, systemctl=machine.systemctl).waiting
    return FILES[server].replace(folder, str(machine.etc))


def test_nginx_takes_it(tmp_path: Path) -> None:
    lines = deployed(tmp_path, "www", "/etc/nginx", "/etc/nginx/conf.d/www.conf").replace(
        "443", f"unix:{tmp_path}/socket"
    )
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
    lines = deployed(tmp_path, "shop", "/etc/haproxy", "/etc/haproxy/haproxy.cfg")
    file = tmp_path / "haproxy.cfg"
    file.write_text(f"global\n    ssl-default-bind-options ssl-min-ver TLSv1.2\n{lines}")
    done = subprocess.run(
        ["/usr/sbin/haproxy", "-c", "-f", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "valid" in done.stdout + done.stderr
