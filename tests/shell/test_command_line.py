"""How ``caucase.sh`` is called: as ``caucase``, as far as it goes; mistakes are told before anything is done."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from caucase import __version__
from caucase.cli.caucase_options import parser
from tests.packaging.test_documents import manual

from .conftest import Desk
from .material import make_request
from .shells import SCRIPT, Shell

# What it leaves to ``caucase``.
LEFT_OUT = {
    *("--user-key", "--require-https-ca", "--status", "--json", "--expiring", "--name"),
    *("--list-csr", "--list-crt", "--show-csr", "--sign-csr", "--sign-csr-with", "--reject-csr"),
    *("--revoke-other-crt", "--revoke-serial"),
}


def test_version_is_that_of_the_project(sh: Shell, tmp_path: Path) -> None:
    assert sh.run("--version", cwd=tmp_path).expect(0).out == f"{__version__}\n"


def test_help_and_manual_have_the_options_of_caucase(sh: Shell, tmp_path: Path) -> None:
    shown = sh.run("--help", cwd=tmp_path).expect(0).out
    in_help = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", shown, re.MULTILINE))
    heads = [line for line in manual("caucase.sh.1").splitlines() if line.startswith("-")]
    in_manual = {word for line in heads for word in re.findall(r"--[a-z-]+", line)}
    of_caucase = {
        option for action in parser()._actions for option in action.option_strings if option.startswith("--")
    }
    assert in_help == in_manual == of_caucase - LEFT_OUT
    assert max(map(len, shown.splitlines())) <= 120


def test_it_is_an_executable_for_any_shell() -> None:
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")
    assert stat.S_IMODE(SCRIPT.stat().st_mode) & 0o111


def test_shellcheck() -> None:
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_error_says_what_to_do() -> None:
    """Or a value of the shell does: two arguments, each in quotes."""
    quoted = r"""(?:'[^']*'|"(?:\$\((?:[^()])*\)|[^"])*")"""
    failing = re.findall(r"(?<=\bfail )(?![A-Z]|never)[^\n]*", SCRIPT.read_text().replace("\\\n", " "))
    assert len(failing) > 50
    assert [one for one in failing if not re.match(rf" *{quoted} +{quoted}( ;;| *$)", one)] == []


URL = ("--ca-url", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--ca-url is needed"),
        (("--ca-url",), "--ca-url needs 1 argument"),
        (("--ca-url", ""), "--ca-url needs 1 argument"),
        (("--ca-url", "--crl"), "--ca-url needs 1 argument"),
        (("--ca-url", "ca.example.com"), "does not start with http://"),
        (("--ca-url", "https://ca.example.com"), "everything goes over HTTP"),
        (("--ca-url", "file:///etc/passwd"), "does not start with http://"),
        (("--ca-url", "http://"), "does not start with http://"),
        (("--ca-url", "http:///path"), "does not start with http://"),
        (("--ca-url", "http://me:secret@ca.example.com"), "more than a host"),
        (("--ca-url", "http://ca.example.com/?query"), "more than a host"),
        (("--ca-url", "http://ca.example.com/{a,b}"), "more than a host"),
        (("--ca-url", "http://ca.example.com/ x"), "more than a host"),
        ((*URL, "--nonsense"), "there is no option --nonsense"),
        ((*URL, "--thresh", "3"), "there is no option --thresh"),
        ((*URL, "nonsense"), "nonsense is no option"),
        ((*URL, "--mode", "god"), "--mode is service or user, not 'god'"),
        ((*URL, "--threshold", "soon"), "'soon' is no number of days"),
        ((*URL, "--threshold", "-1"), "--threshold needs 1 argument"),
        ((*URL, "--threshold", "1.2.3"), "is no number of days"),
        ((*URL, "--threshold", "99999"), "--threshold is at most 36500"),
        ((*URL, "--key-len", "1024"), "--key-len is from 2048 to 8192"),
        ((*URL, "--key-len", "2048;id"), "--key-len is from 2048 to 8192"),
        ((*URL, "--key-len", "123456789012345678901234567890"), "--key-len is from 2048 to 8192"),
        ((*URL, "--get-crt", "1"), "--get-crt needs 2 argument(s)"),
        ((*URL, "--get-crt", "x", "y"), "'x' is no id of a request"),
        ((*URL, "--get-crt", "1/../2", "y"), "is no id of a request"),
        ((*URL, "--get-csr", "1" * 21, "y"), "is no id of a request"),
        ((*URL, "--renew-crt", "a", "--send-csr"), "--renew-crt needs 2 argument(s)"),
        ((*URL, "--get-crt", "1", "", "--mode", "user"), "--get-crt needs 2 argument(s)"),
        ((*URL, "--renew-crt", "", "a/b"), "--renew-crt needs 2 argument(s)"),
        ((*URL, "--renew-crt", "a/b", "-"), "--renew-crt needs 2 argument(s)"),
        ((*URL, "--crl", "", "--mode", "service"), "--crl needs 1 argument"),
        ((*URL, "--on-renew", "", "--mode", "service"), "--on-renew needs 1 argument"),
        ((*URL, "--ca-crt=", "--mode", "service"), "--ca-crt needs 1 argument"),
        ((*URL, "--send-csr"), "--send-csr needs 1 argument"),
        ((*URL, "--send-csr", "", "a"), "--send-csr needs 1 argument"),
        ((*URL, "--send-csr", "a", ""), "an argument of --send-csr is empty"),
        ((*URL, "--ca-crt", "a\nb.pem"), "an argument of --ca-crt has several lines"),
        ((*URL, "--ca-crt", "same.pem", "--crl", "same.pem"), "is given for two different things"),
        ((*URL, "--ca-crt", "same", "--user-ca-crt", "same"), "is given for two different things"),
        ((*URL, "--user-key", "me.pem", "--sign-csr", "1"), "is for the command caucase"),
        ((*URL, "--list-csr"), "is for the command caucase"),
    ],
)  # fmt: skip
def test_mistakes(sh: Shell, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = sh.run(*arguments, cwd=tmp_path).expect(1)
    assert said in done.err
    assert done.err.startswith("caucase.sh: ")
    assert done.err.count("\n") == 1
    assert "--help" in done.err
    assert list(tmp_path.iterdir()) == []


def test_options_with_an_equals_sign(desk: Desk) -> None:
    desk.sh.run(f"--ca-url={desk.server.url}/", "--ca-crt=a=b.pem", cwd=desk.folder).expect(0)
    assert (desk.folder / "a=b.pem").exists()


def test_nobody_answers(sh: Shell, tmp_path: Path) -> None:
    done = sh.run(*URL, cwd=tmp_path).expect(1)
    assert done.err.startswith("caucase.sh: No answer from http://127.0.0.1:1: ")
    assert "Is caucased running there?" in done.err
    assert list(tmp_path.iterdir()) == []


def test_surroundings_change_nothing(desk: Desk) -> None:
    """No proxy, and no settings of curl's or openssl's."""
    home = desk.folder.parent / "home"
    home.mkdir()
    (home / ".curlrc").write_text("proxy = 127.0.0.1:1\ninsecure\nfail-early\n")
    nowhere = "http://127.0.0.1:1"
    surroundings = {
        "HOME": str(home),
        "CURL_HOME": str(home),
        "http_proxy": nowhere,
        "ALL_PROXY": nowhere,
        "LC_ALL": "de_DE.UTF-8",
        "TZ": "Pacific/Auckland",
        "POSIXLY_CORRECT": "1",
        "CDPATH": "/",
    }
    pair = desk.pair()
    arguments = ("--ca-url", desk.server.url, "--threshold", "100", "--renew-crt", pair, pair)
    desk.sh.run(*arguments, cwd=desk.folder, environment=surroundings).expect(0)


def test_names_with_spaces_and_worse(desk: Desk) -> None:
    """Nothing is expanded or executed."""
    folder = desk.folder / "a b $(touch evil) `touch evil` * ; 'x' \"y\" \\"
    folder.mkdir()
    path = folder / "w w.pem"
    path.write_bytes(desk.pair().read_bytes())
    files = ("--ca-crt", folder / "cas", "--crl", folder / "l l.pem")
    desk.run(*files, "--threshold", "100", "--renew-crt", path, path).expect(0)
    assert {one.name for one in folder.iterdir()} == {"w w.pem", "cas", "l l.pem"}
    assert not list(desk.folder.rglob("evil"))


def test_names_that_begin_like_options(desk: Desk) -> None:
    """After a slash, that is no matter."""
    (desk.folder / "-d").mkdir()
    path = desk.folder / "-d" / "-p.pem"
    path.write_bytes(desk.pair().read_bytes())
    old = path.read_bytes()
    files = ("--ca-crt", "./-ca.pem", "--crl", "./-d/../-l.pem")
    desk.run(*files, "--threshold", "100", "--renew-crt", path, path).expect(0)
    assert path.read_bytes() != old
    made = make_request("ec:P-256", "asked")
    desk.server.cas.requests["7"] = made.csr_pem
    desk.run("--get-csr", "7", "./-k.csr").expect(0)
    desk.server.cas.certificates["7"] = desk.server.cas.sign(made.csr, made.csr_pem)
    desk.run("--get-crt", "7", "./-k.pem").expect(0)
    assert {"-ca.pem", "-l.pem", "-k.csr", "-k.pem", "-d/-p.pem"} <= set(desk.files())


@pytest.mark.parametrize("name", ["nowhere.pem", "loop.pem", "loop"])
@pytest.mark.parametrize("option", ["--ca-crt", "--crl", "--get-csr", "--get-crt"])
def test_links_that_lead_nowhere(desk: Desk, option: str, name: str) -> None:
    link = desk.folder / name
    link.symlink_to("nowhere/x.pem" if name == "nowhere.pem" else name)
    made = make_request("ec:P-256", "asked")
    desk.server.cas.requests["7"] = made.csr_pem
    desk.server.cas.certificates["7"] = desk.server.cas.sign(made.csr, made.csr_pem)
    arguments = (option, "7", name) if option.startswith("--get") else (option, name)
    done = desk.run(*arguments).expect(1)
    assert done.err == (
        f"caucase.sh: {name}: the symbolic link leads nowhere. "
        "Make the folder that it points into, or remove it.\n"
    )
    assert link.is_symlink()


def test_what_is_missing_is_told(sh: Shell, tmp_path: Path) -> None:
    """On a machine without curl."""
    few = tmp_path / "bin"
    few.mkdir()
    for name in ("awk", "cat", "dirname", "mktemp", "rm"):
        place = next(Path(place) / name for place in sh.path.split(":") if (Path(place) / name).exists())
        (few / name).symlink_to(place)
    done = sh.run(*URL, cwd=tmp_path, environment={"PATH": str(few)}).expect(1)
    assert done.err == "caucase.sh: The command curl is needed. Install its package.\n"


def test_the_command_of_on_renew(desk: Desk) -> None:
    """It has the caller's surroundings, and is run until it succeeds."""
    umask = os.umask(0o077)
    os.umask(umask)
    hook = desk.folder / "hook"
    hook.write_text('#!/bin/sh\numask >seen; echo "${LC_ALL-}${SSL_CERT_DIR-}" >>seen; exit $(cat code)\n')
    hook.chmod(0o755)
    (desk.folder / "code").write_text("7")
    done = desk.run("--on-renew", "./hook").expect(3)
    assert (
        done.err == "caucase.sh: The on-renew command ./hook failed with 7. What was renewed is in place.\n"
    )
    (desk.folder / "seen").unlink()
    desk.run().expect(0)
    assert not (desk.folder / "seen").exists()
    (desk.folder / "code").write_text("0")
    desk.run("--on-renew", "./hook").expect(0)
    assert (
        desk.folder / "seen"
    ).read_text() == f"{umask:04o}\n{os.environ.get('LC_ALL', '')}{os.environ.get('SSL_CERT_DIR', '')}\n"
    assert not list(desk.folder.glob(".cas*"))
    (desk.folder / "seen").unlink()
    # The list of the simulator is signed anew each time, and so is another one.
    desk.server.misbehave["GET", "/cas/crl"] = lambda handler: handler.answer(
        200, (desk.folder / "cas.crl.pem").read_bytes()
    )
    desk.run("--on-renew", "./hook").expect(0)
    assert not (desk.folder / "seen").exists()
    assert desk.run("--on-renew", "./nothing").code == 0


def test_nothing_is_left_in_the_folder_for_temporary_files(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    pair = desk.pair()
    surroundings = {"TMPDIR": str(folder)}
    for arguments, code in (
        ((), 0),
        (("--threshold", "100", "--renew-crt", pair, pair), 0),
        (("--get-csr", "1", "x"), 1),
    ):
        desk.sh.run(
            "--ca-url", desk.server.url, *arguments, cwd=desk.folder, environment=surroundings
        ).expect(code)
        assert list(folder.iterdir()) == []


def test_no_secret_is_on_a_command_line(desk: Desk, tmp_path: Path) -> None:
    """Nor in the folder for temporary files: all that is run, and what is there then, is looked at."""
    shims, log, temporary = (tmp_path / name for name in ("shims", "log", "temporary"))
    shims.mkdir()
    temporary.mkdir()
    for name in ("awk", "cat", "curl", "openssl", "sed", "mv", "cp", "rm"):
        real = next(Path(place) / name for place in desk.sh.path.split(":") if (Path(place) / name).exists())
        (shims / name).write_text(
            f'#!/bin/dash\nprintf "%s\\n" "$*" >>{log}\ncat {temporary}/*/* >>{log} 2>/dev/null\nexec {real} "$@"\n'.replace(
                "cat /", "/bin/cat /"
            )
        )
        (shims / name).chmod(0o755)
    crt, key = desk.folder / "www.crt", desk.folder / "www.key"
    data = desk.pair().read_bytes()
    cut = data.index(b"-----BEGIN CERTIFICATE")
    key.write_bytes(data[:cut])
    crt.write_bytes(data[cut:])
    for pair in ((crt, key), (desk.folder / "www.pem",) * 2):
        log.unlink(missing_ok=True)
        old = pair[1].read_bytes()
        arguments = ("--ca-url", desk.server.url, "--threshold", "100", "--renew-crt", *pair)
        desk.sh.run(*arguments, cwd=desk.folder, before=shims, environment={"TMPDIR": str(temporary)}).expect(
            0
        )
        text = log.read_bytes().decode("latin-1")
        assert "-----BEGIN CERTIFICATE-----" in text, "what is there was looked at"
        assert "PRIVATE KEY-----" not in text
        for secret in (old, pair[1].read_bytes()):
            assert secret.split(b"\n")[1].decode() not in text
