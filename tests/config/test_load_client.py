"""client.yaml: which file counts, what follows from it, every mistake with its line, and no other outcome."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.config.client import SYSTEM_FILE, ClientConfig, data_folder, files
from caucase.config.client_schema import SETTINGS
from caucase.config.load_client import load_client_config
from caucase.errors import ConfigError

DATA = Path("/data")
URL = "http://ca.example.com:8009"


def load(tmp_path: Path, user: str | None = None, system: str | None = None) -> ClientConfig:
    named = [tmp_path / "user.yaml", tmp_path / "system.yaml"]
    for path, content in zip(named, (user, system), strict=True):
        if content is not None:
            path.write_text(content)
    return load_client_config(named, data_folder=DATA)


def test_without_any_file(tmp_path: Path) -> None:
    assert load(tmp_path) == ClientConfig(
        ca_url=None,
        user_key=None,
        directory=DATA,
        ca_crt=DATA / "cas.crt.pem",
        user_ca_crt=DATA / "cau.crt.pem",
        crl=DATA / "cas.crl.pem",
        user_crl=DATA / "cau.crl.pem",
    )
    assert load(tmp_path, user="", system="# nothing yet\n") == load_client_config([], data_folder=DATA)


def test_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    content = (
        f"ca_url: {URL}\nuser_key: ~/me.pem\ndirectory: /srv/ca\nca_crt: cas\nuser_ca_crt: /etc/cau.pem\n"
        "crl: ~/crl\nuser_crl: sub/cau.crl.pem\n"
    )
    assert load(tmp_path, user=content) == ClientConfig(
        ca_url=URL,
        user_key=Path("/home/me/me.pem"),
        directory=Path("/srv/ca"),
        ca_crt=Path("/srv/ca/cas"),
        user_ca_crt=Path("/etc/cau.pem"),
        crl=Path("/home/me/crl"),
        user_crl=Path("/srv/ca/sub/cau.crl.pem"),
    )
    assert len(SETTINGS) == 7


def test_the_users_file_goes_first(tmp_path: Path) -> None:
    system = f"ca_url: {URL}\nuser_key: /etc/shared.pem\ndirectory: /srv/ca\n"
    merged = load(tmp_path, user="user_key: /home/me.pem\n", system=system)
    assert (merged.ca_url, merged.user_key) == (URL, Path("/home/me.pem"))
    assert merged.crl == Path("/srv/ca/cas.crl.pem")


def test_what_belongs_to_another_ca_does_not_count(tmp_path: Path) -> None:
    system = f"ca_url: {URL}\nuser_key: /etc/shared.pem\ndirectory: /srv/ca\n"
    other = load(tmp_path, user="ca_url: http://other\n", system=system)
    assert (other.ca_url, other.user_key, other.crl) == ("http://other", None, DATA / "cas.crl.pem")


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("ca-url: x\n", "FILE:1: 'ca-url': there is no such key; did you mean ca_url?"),
        (f"ca_url: {URL}\nca_url: {URL}\n", "FILE:2: ca_url: is given a second time, first in line 1"),
        ("\nca_url: https://ca\n", "FILE:2: ca_url: 'https://ca' does not start with http://"),
        ("user_key: me.pem\n", "FILE:1: user_key: 'me.pem' would be another file in each folder; start it with /"),
        ("directory: ../ca\n", "FILE:1: directory: '../ca' would be another file in each folder"),
        ("user_key: ~nobody-of-that-name/me.pem\n", "FILE:1: user_key: '~nobody-of-that-name/me.pem': there is no"),
        ("crl:\n", "FILE:1: crl: has no value; give one or take the line out"),
        ("crl: [a, b]\n", "FILE:1: crl: a single value must stand here"),
        ("- a\n", "FILE:1: the file is not a list of options"),
        ("a: &x b\n", "FILE:1: anchors and aliases are not allowed"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, content: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, user=content)
    assert str(caught.value).replace(str(tmp_path / "user.yaml"), "FILE").startswith(mistake)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "user.yaml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("target", ["nowhere.yaml", "user.yaml"])
def test_a_link_that_leads_nowhere(tmp_path: Path, target: str) -> None:
    """Who has made one wants a file to be read; the next one names another CA, perhaps."""
    (tmp_path / "user.yaml").symlink_to(target)
    with pytest.raises(ConfigError, match=r"user\.yaml: cannot be read"):
        load(tmp_path, system=f"ca_url: {URL}\n")


def test_a_home_that_is_closed(tmp_path: Path) -> None:
    """As for a service. Root finds all open, and is somebody else for that."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "user.yaml").write_text(f"ca_url: {URL}\n")
    home.chmod(0)
    me = os.geteuid()
    try:
        if me == 0:
            os.seteuid(65534)
        assert load_client_config([home / "user.yaml"], data_folder=DATA).ca_url is None
    finally:
        if me == 0:
            os.seteuid(me)
        home.chmod(0o700)


@given(
    st.binary(max_size=200) | st.text(alphabet="ca_url:user_key ~/[]{}&*\n'\"", max_size=80).map(str.encode)
)
def test_any_other_content_is_a_mistake_or_understood(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    try:
        load_client_config([file], data_folder=DATA)
    except ConfigError as error:
        assert str(error).startswith(str(file))


@pytest.mark.parametrize(
    ("environment", "config", "data"),
    [
        ({}, "/home/me/.config", "/home/me/.local/share"),
        ({"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"}, "/c", "/d"),
        ({"XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": ""}, "/home/me/.config", "/home/me/.local/share"),
    ],
)
def test_where_the_files_are(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], config: str, data: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert files(environment) == (Path(config) / "caucase" / "client.yaml", SYSTEM_FILE)
    assert data_folder(environment) == Path(data) / "caucase"
    assert Path("/etc/caucase/client.yaml") == SYSTEM_FILE


def test_somebody_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.chdir(tmp_path)
    assert files({}) == (SYSTEM_FILE,)
    assert data_folder({}) == tmp_path / "caucase"
