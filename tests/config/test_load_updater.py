"""The updater's file: defaults, everything given, every mistake with its line, and no other outcome."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from caucase.config.load_updater import load_updater_config
from caucase.config.updater import Installed, Part, UpdaterConfig
from caucase.config.updater_schema import INSTALL_SETTINGS, SETTINGS
from caucase.core.asked import PURPOSES
from caucase.core.keys import KeyType
from caucase.errors import EX_CONFIG, ConfigError

URL = "ca_url: http://ca.example.com:8009\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "www.yaml"


def load(file: Path, content: str, **arguments: Path) -> UpdaterConfig:
    file.write_text(content)
    return load_updater_config(file, **arguments)


def mistakes(file: Path, content: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, content)
    assert caught.value.exit_code == EX_CONFIG
    return str(caught.value).replace(str(file), "FILE").splitlines()


def test_with_a_url_alone_ca_and_lists_are_kept(file: Path) -> None:
    state = Path("/var/lib/caucase-updater/www")
    assert load(file, URL) == UpdaterConfig(
        name="www",
        ca_url="http://ca.example.com:8009",
        mode="service",
        directory=state,
        cas_ca=state / "cas.crt.pem",
        ca=state / "cas.crt.pem",
        crl=state / "cas.crl.pem",
        csr=None,
        asked=None,
        key=None,
        crt=None,
        key_type=None,
        threshold=timedelta(days=31),
        crl_threshold=timedelta(days=7),
        install=(),
        reload=(),
        restart=(),
        start=(),
    )


def test_a_user_has_cas_of_users(file: Path) -> None:
    config = load(file, URL + "mode: user\nnames: jo@example.com\n")
    assert [path.name for path in (config.cas_ca, config.ca, config.crl)] == [
        "cas.crt.pem",
        "cau.crt.pem",
        "cau.crl.pem",
    ]
    assert config.asked is not None
    purposes = config.asked.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [PURPOSES["clientAuth"]]


def test_names_ask_for_a_certificate_in_one_file(file: Path) -> None:
    config = load(file, URL + "names: [www.example.com, 10.0.0.7, '*.example.org']\n")
    assert config.key == config.crt == config.directory / "pair.pem"
    assert config.asked is not None
    assert config.asked.subject.rfc4514_string() == "CN=www.example.com"
    names = config.asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["www.example.com", "10.0.0.7", "*.example.org"]
    purposes = config.asked.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [PURPOSES["serverAuth"], PURPOSES["clientAuth"]]


def test_where_the_state_is(file: Path, tmp_path: Path) -> None:
    assert load(file, URL, directory=tmp_path).crl == tmp_path / "cas.crl.pem"
    elsewhere = load(file, URL + "directory: /srv/tls\ncas_ca: ca\nca: /etc/ca.pem\n", directory=tmp_path)
    assert (elsewhere.directory, elsewhere.cas_ca, elsewhere.ca) == (
        Path("/srv/tls"),
        Path("/srv/tls/ca"),
        Path("/etc/ca.pem"),
    )


def test_everything_can_be_given(file: Path) -> None:
    config = load(
        file,
        """
ca_url: http://[2001:db8::1]:8009/prefix
mode: service
names:
  - www.example.com
subject: CN=www,O=Example
key_usage: [digitalSignature, keyEncipherment]
extended_key_usage: [serverAuth, 1.3.6.1.5.5.7.3.17]
directory: /srv/tls
key: www.key.pem
crt: www.crt.pem
cas_ca: cas/
ca: ca/
crl: crl/
key_type: ec:P-384
threshold: 20.5
crl_threshold: 3
install:
  - path: /etc/ssl/www.pem
    content: key + certificate+ca
    owner: root
    group: ssl-cert
    mode: 0640
  - {path: /etc/ssl/crl.pem, content: crl, owner: 33, mode: 444}
reload: nginx.service
restart: [openvpn-server@a-b.service, x.socket]
start:
  - my-hook.service
""",
    )
    assert (config.key, config.crt) == (Path("/srv/tls/www.key.pem"), Path("/srv/tls/www.crt.pem"))
    assert (config.cas_ca, config.ca, config.crl) == (
        Path("/srv/tls/cas"),
        Path("/srv/tls/ca"),
        Path("/srv/tls/crl"),
    )
    assert config.asked is not None
    assert config.asked.subject.rfc4514_string() in ("CN=www,O=Example", "O=Example,CN=www")
    assert config.asked.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    assert config.key_type == KeyType.parse("ec:P-384")
    assert (config.threshold, config.crl_threshold) == (timedelta(days=20.5), timedelta(days=3))
    assert config.install == (
        Installed(
            path=Path("/etc/ssl/www.pem"),
            content=(Part.KEY, Part.CERTIFICATE, Part.CA),
            owner="root",
            group="ssl-cert",
            mode=0o640,
        ),
        Installed(path=Path("/etc/ssl/crl.pem"), content=(Part.CRL,), owner="33", group=None, mode=0o444),
    )
    assert config.reload == ("nginx.service",)
    assert config.restart == ("openvpn-server@a-b.service", "x.socket")
    assert config.start == ("my-hook.service",)


def test_modes_of_installed_files(file: Path) -> None:
    entries = [
        f"- {{path: /x/{content}, content: {content}}}\n"
        for content in ("key", "crl+key", "certificate+ca", "crl")
    ]
    config = load(file, URL + "names: a\ninstall:\n" + "".join(entries))
    assert [file.mode for file in config.install] == [0o600, 0o600, 0o644, 0o644]


def test_an_existing_request(file: Path) -> None:
    config = load(file, URL + "csr: /etc/csr.pem\nkey: k.pem\n")
    assert config.csr == Path("/etc/csr.pem")
    assert config.key == config.crt == config.directory / "k.pem"
    assert config.asked is None


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    content = """\
name: www
mode: server
names: [www.example.com, bücher.example]
subject: www
threshold: 0.01
install:
  - path: tls.pem
    contents: key
    mode: 0644
  - path: /etc/tls.pem
    content: key+cert
    owner: a b
    owner: c
  - path: /etc/x.pem
    content: key+certificate
    mode: 0644
  - nothing
  - path: /etc/x.pem
    content: ca
    mode: 4755
reload: [nginx, nginx.service]
restart: nginx.service
"""
    assert mistakes(file, content) == [
        "FILE:1: 'name': there is no such key; did you mean names?",
        "FILE:2: mode: 'server' is neither service nor user",
        "FILE:3: names: 'bücher.example' is not ASCII. Give an international name in its xn-- form",
        "FILE:4: subject: The subject 'www' cannot be read from 'www' on. Write it like CN=www,O=Example,"
        " with a backslash before a comma that belongs to a value",
        "FILE:5: threshold: 0.01 days is not between 0.05 and 3650 days",
        "FILE:7: install: path: 'tls.pem' does not start with '/'",
        "FILE:8: install: 'contents': there is no such key; did you mean content?",
        "FILE:11: install: content: 'cert' is none of key, certificate, ca, crl, which can be joined by '+'",
        "FILE:12: install: owner: 'a b' is not the name of a user or a group",
        "FILE:13: install: owner: is given a second time, first in line 12",
        "FILE:17: install: is made of path, content, owner, group, mode, one 'key: value' a line",
        "FILE:20: install: mode: '4755' is not a mode in octal, such as 0640",
        "FILE:21: reload: 'nginx' is not the full name of a unit, such as nginx.service",
        "FILE: ca_url: is missing; give the CA's HTTP address",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("csr: x\nnames: a\nkey: k\n", "FILE:2: csr: names are given too; a request says by itself whom it is for"),
        ("csr: x\n", "FILE:2: csr: the key of the request is missing; give its file as key"),
        ("csr: x\nkey: x\n", "FILE:2: csr: is the file of the key, which is replaced at each renewal"),
        ("csr: x\nkey: k\nsubject: CN=a\n", "FILE:4: subject: is for a request that is made here, from names"),
        ("key: k\n", "FILE:2: key: is of a certificate, and neither names nor csr ask for one"),
        ("threshold: 5\n", "FILE:2: threshold: is of a certificate, and neither names nor csr ask for one"),
        ("names: a\ncrl: x\nca: x\n", "FILE:3: crl: is the same file as ca"),
        ("names: a\ncas_ca: x\nkey: x\n", "FILE:3: cas_ca: is the same file as key"),
        ("names: []\n", "FILE:2: names: A certificate needs at least one name"),
        ("names: [a, A]\n", "FILE:2: names: The name a is given twice"),
        ("reload: a.service\nstart: a.service\n", "FILE:2: reload: a.service is given twice"),
        ("reload: [a.service, a.service]\n", "FILE:2: reload: a.service is given twice"),
        ("install: {content: ca}\n", "FILE:2: install: path is missing in an entry"),
        (
            "install: {path: /x, content: certificate}\n",
            "FILE:2: install: content: neither names nor csr ask for a certificate",
        ),
        (
            "names: a\ninstall: {path: /x, content: ca+key, mode: 0604}\n",
            "FILE:3: install: mode: 0604 would let everybody read a private key",
        ),
        ("install: [{path: /x, content: ca}, {path: /x, content: crl}]\n", "FILE:2: install: path: /x is installed twice"),
        (
            "install: {path: /var/lib/caucase-updater/www/x, content: ca}\n",
            "FILE:2: install: path: is within the state directory /var/lib/caucase-updater/www,"
            " which is the updater's own",
        ),
        ("install: {path: /a/../b, content: ca}\n", "FILE:2: install: path: '/a/../b' has '..' in it; write it without"),
        ("install: {path: /x, content: ca+ca}\n", "FILE:2: install: content: 'ca+ca' has the same part twice"),
        ("install: {path: /x, content: ca, mode: 0666}\n",
         "FILE:2: install: mode: 0666 would make the file executable, or writable for everybody"),
        ("install: ca\n", "FILE:2: install: is made of path, content, owner, group, mode, one 'key: value' a line"),
        ("key: ~/k\n", "FILE:2: key: '~/k' starts with '~', which is somebody else's for another user; write it out"),
        ("directory: state\n", "FILE:2: directory: 'state' does not start with '/'"),
        ("key_type: ec\n", "FILE:2: key_type: key type 'ec' is not known. Give rsa:2048, rsa:3072, rsa:4096, ec:P-256, "
         "ec:P-384, ec:P-521 or ed25519"),
        ("install: [[[[[]]]]]\n", "FILE:2: this is nested too deeply"),
        ("install: {path: {a: b}}\n", "FILE:2: install: path: a single value must stand here"),
    ],
)  # fmt: skip
def test_what_is_refused(file: Path, content: str, expected: str) -> None:
    assert expected in mistakes(file, URL + content)


@pytest.mark.parametrize(
    "url", ["https://a", "ftp://a", "a", "http://", "http://a b", "http://a?x", "http://a:0", "http://[a"]
)
def test_urls_that_are_refused(file: Path, url: str) -> None:
    (mistake,) = mistakes(file, f"ca_url: '{url}'\n")
    assert mistake.startswith(f"FILE:1: ca_url: {url!r} ")
    assert "http://ca.example.com:8009" in mistake


@pytest.mark.parametrize(
    "unit",
    ["", "nginx", ".service", "-x.service", "a b.service", "a/b.service", "x@.service", "a@b@c.service", "x.device",
     "x.service.d", "--all", "é.service", "a" * 250 + ".service", "*.service"],
)  # fmt: skip
def test_units_that_are_refused(file: Path, unit: str) -> None:
    (mistake,) = mistakes(file, f"{URL}restart: '{unit}'\n")
    assert "is not the full name of a unit" in mistake


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}"])
def test_an_empty_file_is_not_enough(file: Path, content: str) -> None:
    assert mistakes(file, content) == ["FILE: ca_url: is missing; give the CA's HTTP address"]


@pytest.mark.parametrize("name", ["...yaml", ".yaml", "-a.yaml", "a b.yaml", "a@b.yaml"])
def test_the_name_is_that_of_an_instance(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="unit's instance"):
        load(tmp_path / name, URL)


def test_every_setting_is_explained() -> None:
    for setting in (*SETTINGS.values(), *INSTALL_SETTINGS.values()):
        assert setting.help.endswith(".")
        assert setting.metavar or setting.inner
    for setting in SETTINGS.values():
        if setting.default is not None and setting.key != "directory":
            setting.parse(setting.default)


@settings(max_examples=150, deadline=None)
@given(
    contents=st.dictionaries(
        st.one_of(st.sampled_from(sorted(SETTINGS)), st.text(max_size=10)),
        st.recursive(
            st.one_of(
                st.none(), st.integers(), st.text(max_size=12),
                st.sampled_from(["/x", "key+certificate", "ca", "0640", "a.service", "a", "CN=a", "http://a", "user"]),
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.one_of(st.sampled_from(sorted(INSTALL_SETTINGS)), st.text(max_size=5)), inner, max_size=4),
            ),
        ),
    )
)  # fmt: skip
def test_whatever_the_file_holds_the_answer_is_a_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, object]
) -> None:
    file = tmp_path_factory.getbasetemp() / "types.yaml"
    file.write_text(yaml.safe_dump(contents, allow_unicode=True), encoding="utf-8", errors="replace")
    try:
        config = load_updater_config(file)
    except ConfigError as error:
        assert all(re.match(rf"{re.escape(str(file))}[: ]", line) for line in str(error).split("\n"))
    else:
        assert not any(Part.KEY in installed.content and installed.mode & 0o7 for installed in config.install)
