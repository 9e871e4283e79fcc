"""The updaters of both, against the servers of both: ours makes one pass and ends, the peer's stays."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .material import Request, make_request, read_certificate, same_key, verify
from .programs import Programs, Result, environment, ours, peer
from .servers import Server
from .wire import pending, request

SECONDS = 40


@pytest.fixture
def programs() -> Programs:
    return ours()


def sign_all(server: Server, user: Path, name: str) -> None:
    """What a user does who trusts everybody called ``name``."""
    for csr_id, pem in pending(server, "cas", user).items():
        done = subprocess.run(
            ["openssl", "req", "-noout", "-subject"], input=pem, capture_output=True, text=True, check=True
        )
        if name in done.stdout:
            request(server, "PUT", f"/cas/crt/{csr_id}", user=user).expect(204)


def flags(server: Server, *more: str) -> tuple[str, ...]:
    return (
        *("--ca-url", server.url, "--cas-ca", "cas.crt.pem", "--ca", "cas.crt.pem", "--crl", "cas.crl.pem"),
        *more,
    )


def for_request(made: Request) -> tuple[str, ...]:
    return ("--csr", made.csr, "--key", made.key, "--crt", "www.crt.pem")


def update(programs: Programs, folder: Path, *arguments: str) -> Result:
    return programs.run("caucase-updater", *arguments, cwd=folder)


def test_a_service_with_the_flags_of_the_peer(
    server: Server, user: Path, programs: Programs, tmp_path: Path
) -> None:
    made = make_request(tmp_path, "updated", extensions=["subjectAltName=DNS:www.example"])
    arguments = flags(server, *for_request(made), "--max-sleep", "3", "--threshold", "31")
    waiting = update(programs, tmp_path, *arguments).expect(0)
    assert "waits for a user's signature" in waiting.out
    assert not (tmp_path / "www.crt.pem").exists()
    again = update(programs, tmp_path, *arguments).expect(0)
    assert len(again.out.splitlines()) == 1, "in one line"
    sign_all(server, user, "updated")
    update(programs, tmp_path, *arguments).expect(0)
    assert same_key(tmp_path / made.key, read_certificate(tmp_path / "www.crt.pem"))
    assert verify(tmp_path, "www.crt.pem", crl="cas.crl.pem") == ""
    nothing = update(programs, tmp_path, *arguments).expect(0)
    assert nothing.out == ""


def test_a_service_with_a_yaml_file_and_no_openssl(
    server: Server, user: Path, programs: Programs, tmp_path: Path
) -> None:
    config = tmp_path / "web.yaml"
    state = tmp_path / "state"
    config.write_text(
        f"ca_url: {server.url}\nnames: [yaml.example, 10.0.0.7, mail@yaml.example]\ndirectory: {state}\n"
    )
    update(programs, tmp_path, "--config", str(config)).expect(0)
    sign_all(server, user, "yaml.example")
    update(programs, tmp_path, "--config", str(config)).expect(0)
    text = subprocess.run(
        ["openssl", "x509", "-in", state / "pair.pem", "-noout", "-ext", "subjectAltName,extendedKeyUsage"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for part in ("DNS:yaml.example", "IP Address:10.0.0.7", "email:mail@yaml.example", "TLS Web Server"):
        assert part in text
    assert (state / "pair.pem").stat().st_mode & 0o777 == 0o600
    assert same_key(state / "pair.pem", read_certificate(state / "pair.pem"))
    assert verify(state, "pair.pem", crl="cas.crl.pem") == ""


def test_a_user(server: Server, programs: Programs, tmp_path: Path) -> None:
    made = make_request(tmp_path, "boss")
    arguments = (
        *("--ca-url", server.url, "--cas-ca", "cas", "--ca", "cau", "--crl", "cau", "--mode", "user"),
        *("--csr", made.csr, "--key", made.key, "--crt", made.key),
    )
    update(programs, tmp_path, *arguments).expect(0)
    # The shared servers approve users at once; key and certificate are in one file, as --user-key wants it.
    bundle = tmp_path / made.key
    assert same_key(bundle, read_certificate(bundle))
    request(server, "GET", "/cas/csr", user=bundle).expect(200)
    assert (
        len(list((tmp_path / "cau").glob("*.ca.pem"))) == len(list((tmp_path / "cau").glob("*.crl.pem"))) == 1
    )
    assert len(list((tmp_path / "cas").glob("*.ca.pem"))) == 1


def test_an_anonymous_service(server: Server, programs: Programs, tmp_path: Path) -> None:
    update(programs, tmp_path, *flags(server)).expect(0)
    assert (tmp_path / "cas.crt.pem").exists()
    assert (tmp_path / "cas.crl.pem").exists()
    assert update(programs, tmp_path, *flags(server)).expect(0).out == ""


LAYOUTS = {
    "a file that is not there": ("ca.pem", None, "file"),
    "a folder that is not there": ("ca", None, "folder"),
    "a folder with others' things": ("ca.d", "folder", "folder"),
    "a link to a file": ("ca.pem", "link to file", "file"),
    "a link to a folder": ("ca", "link to folder", "folder"),
    "a broken link": ("ca.pem", "broken link", "file"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(server: Server, programs: Programs, tmp_path: Path, layout: str) -> None:
    name, before, after = LAYOUTS[layout]
    path, other = tmp_path / name, tmp_path / "elsewhere"
    if before == "folder":
        path.mkdir()
        (path / "readme.txt").write_text("not yours")
        (path / "sub").mkdir()
        (path / f"{'0' * 40}.ca.pem").symlink_to("nowhere")
    elif before == "link to file":
        other.write_text("")
        path.symlink_to(other)
    elif before == "link to folder":
        other.mkdir()
        path.symlink_to(other)
    elif before == "broken link":
        path.symlink_to(other)
    arguments = (*("--ca-url", server.url, "--cas-ca", name, "--ca", name, "--crl", "crl.pem"),)
    for _ in range(2):
        update(programs, tmp_path, *arguments).expect(0)
        if after == "file":
            assert path.read_text().startswith("-----BEGIN CERTIFICATE-----")
        else:
            assert len(list(path.glob("*.ca.pem"))) == 1
        assert path.is_symlink() is (before is not None and "link" in before)
    if before == "folder":
        assert (path / "readme.txt").read_text() == "not yours"
        assert (path / "sub").is_dir()
        assert not (path / f"{'0' * 40}.ca.pem").is_symlink()


def test_on_renew_is_run_until_it_succeeds(server: Server, programs: Programs, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\necho run >> runs\nexit $(cat status)\n")
    hook.chmod(0o755)
    runs, status = tmp_path / "runs", tmp_path / "status"
    arguments = flags(server, "--on-renew", str(hook))
    status.write_text("1")
    for count in (1, 2):
        update(programs, tmp_path, *arguments).expect(3)
        assert runs.read_text().count("run") == count, "also when nothing new came"
    status.write_text("0")
    for _ in range(2):
        update(programs, tmp_path, *arguments).expect(0)
        assert runs.read_text().count("run") == 3, "and not once it has succeeded"


def test_wait_ends_once_the_request_is_signed(
    server: Server, user: Path, programs: Programs, tmp_path: Path
) -> None:
    made = make_request(tmp_path, "patient")
    command = [programs.path("caucase-updater"), *flags(server, *for_request(made)), "--wait"]
    with started(command, tmp_path) as process:
        until(lambda: "patient" in "".join(_subjects(server, user)))
        assert process.poll() is None
        sign_all(server, user, "patient")
        assert process.wait(SECONDS) == 0
    assert same_key(tmp_path / made.key, read_certificate(tmp_path / "www.crt.pem"))


def test_the_peers_updater(server: Server, user: Path, tmp_path: Path) -> None:
    """It stays, so it is ended once it has what it wants."""
    made = make_request(tmp_path, "stays")
    command = [peer().path("caucase-updater"), *flags(server, *for_request(made))]
    with started(command, tmp_path) as process:
        until(lambda: "stays" in "".join(_subjects(server, user)))
        sign_all(server, user, "stays")
        # It asks once a minute; a second start asks at once.
        process.terminate()
        process.wait(SECONDS)
    with started(command, tmp_path):
        until((tmp_path / "www.crt.pem").exists)
        until((tmp_path / "cas.crl.pem").exists)
    assert same_key(tmp_path / made.key, read_certificate(tmp_path / "www.crt.pem"))
    assert verify(tmp_path, "www.crt.pem", crl="cas.crl.pem") == ""


def test_ours_goes_on_where_the_peers_stopped(
    server: Server, user: Path, programs: Programs, tmp_path: Path
) -> None:
    """The same files, the same flags: whoever changes from one to the other changes nothing else."""
    made = make_request(tmp_path, "changes")
    arguments = flags(server, *for_request(made))
    with started([peer().path("caucase-updater"), *arguments], tmp_path):
        until(lambda: "changes" in "".join(_subjects(server, user)))
    update(programs, tmp_path, *arguments).expect(0)
    assert sum("changes" in subject for subject in _subjects(server, user)) == 1, "asked for once"
    sign_all(server, user, "changes")
    update(programs, tmp_path, *arguments).expect(0)
    assert verify(tmp_path, "www.crt.pem", crl="cas.crl.pem") == ""


@contextlib.contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended at the end."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(SECONDS)


def until(condition: object) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.1)


def _subjects(server: Server, user: Path) -> list[str]:
    return [
        subprocess.run(
            ["openssl", "req", "-noout", "-subject"], input=pem, capture_output=True, text=True, check=True
        ).stdout
        for pem in pending(server, "cas", user).values()
    ]
