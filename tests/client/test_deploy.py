"""Deployment: what is installed and done, when; what fails stays to be done; nothing of a stranger's gets through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from caucase.client.deploy import Action, FileState, Verb, load_for_root, plan
from caucase.config.updater import Part
from caucase.core.x509 import dump_pem, dump_private_key
from caucase.errors import EX_HOOK_FAILED, ConfigError, HookFailed, Malformed, TooLarge
from tests.client.machine import OTHER, Machine, mode_of
from tests.client.simulator import new_ca, new_key

RELOAD = "try-reload-or-restart -- nginx.service"
as_root = pytest.mark.root("give files away")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# The plan, without files.


def state(content: bytes, *, mode: int = 0o600, uid: int = 0, gid: int = 0) -> FileState:
    return FileState(content=content, uid=uid, gid=gid, mode=mode)


@pytest.mark.parametrize(
    ("found", "is_pending", "replaced", "acts"),
    [
        (state(b"new"), False, False, False),
        (state(b"new"), True, False, True),  # the units failed last time
        (state(b"old"), True, True, True),
        (state(b"old"), False, True, True),  # somebody has changed it
        (None, False, True, True),
        (state(b"new", mode=0o640), False, True, True),
        (state(b"new", uid=1), False, True, True),
        (state(b"new", gid=1), False, True, True),
    ],
)
def test_when_what_is_done(
    machine: Machine, found: FileState | None, is_pending: bool, replaced: bool, acts: bool
) -> None:
    entry = machine.file("tls.pem", "key+certificate")
    config = machine.config(entry, reload=("a.service",))
    planned = plan(
        config, {entry.path: state(b"new")}, {entry.path: found} if found else {}, is_pending=is_pending
    )
    assert (bool(planned.replace), bool(planned.actions)) == (replaced, acts)
    assert planned.waiting == ()


def test_the_order_of_things(machine: Machine) -> None:
    contents = ("key+certificate", "certificate", "crl", "ca+crl", "ca", "certificate+ca", "key")
    entries = [machine.file(content, content) for content in contents]
    config = machine.config(
        *entries, reload=("a.service", "b.service"), restart=("c.service",), start=("d.service",)
    )
    planned = plan(config, {entry.path: state(b"") for entry in entries}, {}, is_pending=False)
    assert [path.name for path in planned.replace] == [
        *("ca", "crl", "ca+crl", "certificate", "certificate+ca", "key+certificate", "key"),
    ]  # fmt: skip
    assert [(str(action.verb), action.unit[0]) for action in planned.actions] == [
        ("reload", "a"),
        ("reload", "b"),
        ("restart", "c"),
        ("start", "d"),
    ]


def test_units_wait_for_files(machine: Machine) -> None:
    ca, pair = machine.file("ca", "ca"), machine.file("pair", "key+certificate")
    config = machine.config(pair, ca, reload=("a.service",))
    planned = plan(config, {ca.path: state(b"")}, {}, is_pending=True)
    assert (list(planned.replace), planned.waiting, planned.actions) == ([ca.path], (pair.path,), ())


def test_no_content_is_shown() -> None:
    assert "secret" not in repr(state(b"secret"))


# The real thing.


def test_files_are_installed_and_units_told_once(machine: Machine) -> None:
    machine.renew()
    entries = [
        machine.file("tls.pem", "key+certificate+ca", mode=0o640),
        machine.file("ca.pem", "ca", mode=0o644),
        machine.file("crl.pem", "crl", mode=0o644),
    ]
    config = machine.config(
        *entries, reload=("nginx.service",), restart=("a.service",), start=("hook.service",)
    )
    outcome = machine.deploy(config)
    for entry in entries:
        assert entry.path.read_bytes() == machine.text(entry)
        assert mode_of(entry.path) == entry.mode
    assert machine.called() == [RELOAD, "try-restart -- a.service", "start --wait -- hook.service"]
    assert outcome.installed == tuple(entry.path for entry in (entries[1], entries[2], entries[0]))
    assert outcome.acted[0] == Action(verb=Verb.RELOAD, unit="nginx.service")
    assert machine.said == [
        *(f"{path} was installed." for path in outcome.installed),
        "nginx.service was reloaded.",
        "a.service was restarted.",
        "hook.service was started.",
    ]
    assert not machine.pending.path.exists()
    before = {path: path.stat() for path in machine.etc.iterdir()}
    assert len(before) == 3
    again = machine.deploy(config)
    assert (again.installed, again.acted, again.waiting) == ((), (), ())
    assert machine.called() == machine.said == []
    assert {path: path.stat() for path in machine.etc.iterdir()} == before


def test_a_renewal_and_a_change_by_somebody_else(machine: Machine) -> None:
    machine.renew()
    entry = machine.file("tls.pem", "key+certificate")
    config = machine.config(entry, reload=("nginx.service",))
    machine.deploy(config)
    machine.renew()
    with entry.path.open("rb") as reader:
        machine.deploy(config)
        assert reader.read() != machine.text(entry)  # replaced, not truncated
    assert entry.path.read_bytes() == machine.text(entry)
    assert machine.called() == [RELOAD] * 2
    entry.path.chmod(0o644)
    machine.deploy(config)
    assert mode_of(entry.path) == 0o600
    entry.path.write_bytes(b"")
    machine.deploy(config)
    assert entry.path.read_bytes() == machine.text(entry)
    entry.path.unlink()
    machine.deploy(config)
    assert entry.path.read_bytes() == machine.text(entry)
    assert machine.called() == [RELOAD] * 3


def test_what_fails_is_done_again_even_if_nothing_new_came(machine: Machine) -> None:
    machine.renew()
    entry = machine.file("tls.pem", "key+certificate")
    config = machine.config(entry, reload=("nginx.service", "good.service"), start=("hook.service",))
    machine.broken("nginx.service", "hook.service")
    for _ in range(2):
        with pytest.raises(HookFailed) as caught:
            machine.deploy(config)
        assert caught.value.exit_code == EX_HOOK_FAILED
        assert caught.value.message == (
            "nginx.service could not be reloaded: Job for nginx.service failed.\n"
            "hook.service could not be started: Job for hook.service failed."
        )
        # All are tried.
        assert [line.split()[-1] for line in machine.called()] == [
            "nginx.service",
            "good.service",
            "hook.service",
        ]
        assert machine.said[-1] == "good.service was reloaded."
        assert entry.path.read_bytes() == machine.text(entry)
        assert machine.pending.tokens()
    machine.broken()
    assert machine.deploy(config).installed == ()
    assert len(machine.called()) == 3
    machine.deploy(config)
    assert machine.called() == []


def test_what_was_installed_without_a_note_is_noted_before(machine: Machine) -> None:
    machine.renew(mark=False)
    config = machine.config(machine.file("tls.pem", "key+certificate"), reload=("nginx.service",))
    machine.broken("nginx.service")
    with pytest.raises(HookFailed):
        machine.deploy(config)
    assert machine.pending.tokens()
    machine.broken()
    machine.deploy(config)
    assert not machine.pending.path.exists()


def test_what_is_renewed_meanwhile_stays_pending(machine: Machine) -> None:
    machine.renew()
    config = machine.config(machine.file("tls.pem", "key+certificate"), reload=("nginx.service",))
    machine.systemctl.write_text(
        machine.systemctl.read_text() + f"mkdir -p {machine.pending.path}; : >{machine.pending.path}/new\n"
    )
    machine.deploy(config)
    assert machine.pending.tokens() == {"new"}


def test_units_are_told_of_files_that_they_read_in_place(machine: Machine) -> None:
    config = machine.config(reload=("nginx.service",))
    machine.deploy(config)
    assert machine.called() == []
    machine.renew()
    machine.deploy(config)
    assert machine.called() == [RELOAD]
    assert not machine.pending.path.exists()


def test_until_it_is_signed_there_is_nothing_to_tell(machine: Machine) -> None:
    machine.renew()
    pair = machine.state / "pair.pem"
    complete = pair.read_bytes()
    pair.write_bytes(machine.texts[Part.KEY])  # the certificate is to be appended
    ca, tls = machine.file("ca.pem", "ca"), machine.file("tls.pem", "certificate+key")
    config = machine.config(ca, tls, reload=("nginx.service",))
    outcome = machine.deploy(config)
    assert outcome.waiting == (tls.path,)
    assert machine.said[-1] == f"{tls.path} is waiting for what it is made of."
    assert ca.path.exists()
    assert not tls.path.exists()
    assert machine.called() == []
    assert machine.pending.tokens()
    pair.unlink()
    assert machine.deploy(config).waiting == (tls.path,)
    pair.write_bytes(complete)
    assert machine.deploy(config).installed == (tls.path,)
    assert machine.called() == [RELOAD]
    assert not machine.pending.path.exists()


def test_before_the_first_pass_nothing_is_there(machine: Machine) -> None:
    machine.state.rmdir()
    config = machine.config(machine.file("all.pem", "key+certificate+ca+crl"))
    assert machine.deploy(config).waiting == (machine.etc / "all.pem",)


def test_two_files_and_folders(machine: Machine) -> None:
    machine.renew()
    for name, text in (("k.pem", Part.KEY), ("c.pem", Part.CERTIFICATE)):
        (machine.state / name).write_bytes(machine.texts[text])
    for name in ("ca", "crl"):
        (machine.state / name).mkdir()
    second = dump_pem(new_ca("CAS").certificate)
    (machine.state / "ca" / "0a.ca.pem").write_bytes(machine.texts[Part.CA])
    (machine.state / "ca" / "0b.ca.pem").write_bytes(second)
    (machine.state / "ca" / "foreign.pem").write_bytes(b"x")
    (machine.state / "ca" / "broken.ca.pem").symlink_to("gone")
    (machine.state / "ca" / "folder.ca.pem").mkdir()
    (machine.state / "crl" / "0a.crl.pem").write_bytes(machine.texts[Part.CRL])
    both = machine.file("both.pem", "ca+crl")
    pair = machine.file("pair.pem", "certificate+key")
    config = machine.config(both, pair, content="key: k.pem\ncrt: c.pem\nca: ca\ncrl: crl\n")
    machine.deploy(config)
    assert both.path.read_bytes() == machine.texts[Part.CA] + second + machine.texts[Part.CRL]
    assert pair.path.read_bytes() == machine.text(pair)


@as_root
def test_owner_group_and_mode(machine: Machine) -> None:
    machine.renew()
    named = machine.file("named.pem", "key+certificate", mode=0o640, owner="nobody", group="www-data")
    numbered = machine.file("numbered.pem", "ca", mode=0o444, owner="1234", group="5678")
    config = machine.config(named, numbered)
    machine.deploy(config)
    status = named.path.stat()
    assert (status.st_uid, status.st_gid, mode_of(named.path)) == (OTHER, 33, 0o640)
    status = numbered.path.stat()
    assert (status.st_uid, status.st_gid, mode_of(numbered.path)) == (1234, 5678, 0o444)
    assert machine.deploy(config).installed == ()
    # Where nothing is said the owner that is there stays.
    unsaid = machine.config(machine.file("named.pem", "key+certificate", mode=0o640))
    machine.renew()
    machine.deploy(unsaid)
    status = named.path.stat()
    assert (status.st_uid, status.st_gid) == (OTHER, 33)
    os.chown(named.path, 0, 0)
    assert machine.deploy(config).installed == (named.path,)
    assert named.path.stat().st_uid == OTHER


def test_unknown_owners_are_told_before_anything_is_installed(machine: Machine) -> None:
    machine.renew()
    config = machine.config(
        machine.file("a", "ca"),
        machine.file("b", "ca", owner="no-such-user", group="no-such-group"),
        reload=("nginx.service",),
    )
    with pytest.raises(ConfigError) as caught:
        machine.deploy(config)
    assert caught.value.message.splitlines() == [
        f"{machine.etc}/b: there is no user 'no-such-user' on this machine",
        f"{machine.etc}/b: there is no group 'no-such-group' on this machine",
    ]
    assert list(machine.etc.iterdir()) == []
    assert machine.called() == []
    assert machine.pending.tokens()


def test_nothing_is_installed_when_one_file_cannot_be(machine: Machine) -> None:
    machine.renew()
    (machine.etc / "folder").mkdir()
    for path in ("folder", "gone/file"):
        config = machine.config(machine.file("a", "ca"), machine.file(path, "ca"), reload=("nginx.service",))
        with pytest.raises(OSError, match=path):
            machine.deploy(config)
    assert [path.name for path in machine.etc.iterdir()] == ["folder"]
    assert machine.called() == []
    assert machine.pending.tokens()


def test_systemctl_that_is_not_there_or_does_not_end(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.renew()
    config = machine.config(reload=("nginx.service",))
    monkeypatch.setattr("caucase.client.deploy.units._TIMEOUT", 0.2)
    machine.systemctl.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(HookFailed, match=r"nginx\.service could not be reloaded: it took longer"):
        machine.deploy(config)
    machine.systemctl.unlink()
    with pytest.raises(HookFailed, match="No such file"):
        machine.deploy(config)
    assert machine.pending.tokens()


# What a stranger could try: root acts, the state directory is the updater's, folders are their services'.


def refused(machine: Machine, kind: type[Exception], said: str, **changes: object) -> None:
    config = machine.config(machine.file("all.pem", "key+certificate+ca+crl"), **changes)  # type: ignore[arg-type]
    with pytest.raises(kind, match=said):
        machine.deploy(config)
    assert list(machine.etc.iterdir()) == []


def test_only_what_was_parsed_is_installed(machine: Machine) -> None:
    machine.renew()
    for name in ("pair.pem", "cas.crt.pem", "cas.crl.pem"):
        path = machine.state / name
        path.write_bytes(b"ssl_engine evil;\n" + path.read_bytes() + b"\nroot::0:0::/:/bin/sh\n")
    entry = machine.file("all.pem", "key+certificate+ca+crl")
    machine.deploy(machine.config(entry))
    assert entry.path.read_bytes() == machine.text(entry)


def test_what_is_not_what_it_should_be_is_refused(machine: Machine) -> None:
    machine.renew()
    pair, ca, crl = (machine.state / name for name in ("pair.pem", "cas.crt.pem", "cas.crl.pem"))
    good = {path: path.read_bytes() for path in (pair, ca, crl)}

    def refuse(path: Path, data: bytes, said: str, kind: type[Exception] = Malformed) -> None:
        path.write_bytes(data)
        refused(machine, kind, said)
        path.write_bytes(good[path])

    other = dump_private_key(new_key())
    refuse(pair, other + machine.texts[Part.CERTIFICATE], "is not that of the certificate")
    refuse(pair, machine.texts[Part.CERTIFICATE], "there are 0")
    refuse(pair, good[pair] + other, "there are 2")
    refuse(pair, good[pair] + machine.texts[Part.CERTIFICATE], "there are 2")
    refuse(ca, machine.texts[Part.CERTIFICATE], "not that of a CA")
    refuse(ca, good[ca].replace(b"M", b"N", 5), "cas.crt.pem: The certificate is not well-formed")
    refuse(crl, good[crl].replace(b"M", b"N", 5), "cas.crl.pem: The revocation list is not well-formed")
    refuse(pair, b" " * 100_000, "larger than", OSError)
    refuse(ca, b" " * 2_000_000, "larger than", OSError)
    ca.unlink()
    ca.mkdir()
    for number in range(2):
        (ca / f"{number}.ca.pem").write_bytes(good[ca] + b" " * 600_000)
    refused(machine, TooLarge, "larger than 1048576 bytes together")
    for number in range(101):
        (ca / f"{number}.ca.pem").write_bytes(b"")
    refused(machine, TooLarge, "more than 100 files")


@as_root
@pytest.mark.parametrize("name", ["pair.pem", "cas.crt.pem", "cas.crl.pem"])
def test_no_link_of_the_updater_is_followed(machine: Machine, name: str) -> None:
    machine.renew()
    secret = machine.state.parent / "secret"
    (machine.state / name).rename(secret)  # even if it held just what is wanted
    os.chown(machine.state, OTHER, OTHER)
    link = machine.state / name
    for owner in (0, OTHER):
        link.symlink_to(secret)
        os.chown(link, owner, owner, follow_symlinks=False)
        refused(machine, PermissionError, "symbolic link")
        link.unlink()
    os.mkfifo(link)
    refused(machine, OSError, "not a regular file")


@as_root
def test_in_a_folder_of_a_service(machine: Machine) -> None:
    machine.renew()
    os.chown(machine.etc, OTHER, OTHER)
    shadow = machine.state.parent / "shadow"
    shadow.write_bytes(b"root")
    explicit = machine.file("tls.pem", "key+certificate", owner="nobody", group="nogroup")
    # A link is neither written through nor replaced.
    explicit.path.symlink_to(shadow)
    with pytest.raises(PermissionError, match="symbolic link"):
        machine.deploy(machine.config(explicit))
    assert shadow.read_bytes() == b"root"
    explicit.path.unlink()
    # Whoever made the file first must not become the key's owner.
    explicit.path.write_bytes(b"")
    os.chown(explicit.path, 1234, 1234)
    for owner, group in ((None, None), ("nobody", None), (None, "nogroup")):
        vague = machine.file("tls.pem", "key+certificate", owner=owner, group=group)
        with pytest.raises(ConfigError, match="Give owner and group"):
            machine.deploy(machine.config(vague))
    assert explicit.path.read_bytes() == b""
    machine.deploy(machine.config(explicit, machine.file("ca.pem", "ca", mode=0o644)))
    assert (explicit.path.stat().st_uid, mode_of(explicit.path)) == (OTHER, 0o600)
    assert (machine.etc / "ca.pem").stat().st_uid == 0


@as_root
def test_links_of_the_administrator_are_followed(machine: Machine) -> None:
    machine.renew()
    real = machine.state.parent / "real"
    real.mkdir()
    (machine.etc / "ssl").symlink_to(real)
    (real / "tls.pem").symlink_to("2026.pem")
    entry = machine.file("ssl/tls.pem", "key+certificate")
    machine.deploy(machine.config(entry))
    assert (real / "tls.pem").is_symlink()
    assert (real / "2026.pem").read_bytes() == machine.text(entry)
    assert sorted(path.name for path in real.iterdir()) == ["2026.pem", "tls.pem"]
    twice = machine.config(entry, machine.file("ssl/2026.pem", "key+certificate", mode=0o640))
    with pytest.raises(ConfigError, match=r"2026\.pem is the same file as .*/ssl/tls\.pem"):
        machine.deploy(twice)


@as_root
def test_the_configuration_must_be_root_s_alone(machine: Machine) -> None:
    file = machine.etc / "www.yaml"
    file.write_text("ca_url: http://ca.example.com\n")
    assert load_for_root(file, directory=machine.state).name == "www"
    file.chmod(0o664)
    with pytest.raises(ConfigError, match="can be written by others"):
        load_for_root(file)
    file.chmod(0o644)
    for uid, mode in ((0, 0o775), (OTHER, 0o755)):
        os.chown(machine.etc, uid, uid)
        machine.etc.chmod(mode)
        with pytest.raises(ConfigError, match="can be changed by others"):
            load_for_root(file)
    with pytest.raises(FileNotFoundError):
        load_for_root(machine.state / "gone.yaml")
