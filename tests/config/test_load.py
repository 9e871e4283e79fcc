"""The server's configuration: defaults, overrides, and every mistake told with its place."""

from __future__ import annotations

import argparse
import io
from contextlib import redirect_stderr
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from caucase.config import flags
from caucase.config.load import load_server_config
from caucase.config.schema import OPTIONS, ServerConfig
from caucase.config.strict_yaml import SIZE_LIMIT
from caucase.core.keys import KeyType
from caucase.core.netloc import NetLoc
from caucase.errors import EX_CONFIG, ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "caucased.yaml"


def mistakes(file: Path, content: str | bytes, **overrides: str | list[str]) -> list[str]:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        load_server_config(file, overrides)
    assert caught.value.exit_code == EX_CONFIG
    return str(caught.value).replace(str(file), "FILE").splitlines()


def test_defaults_are_those_of_the_peer() -> None:
    config = load_server_config(None, {})
    assert config == ServerConfig()
    assert config.db == Path("caucase.sqlite")
    assert config.server_key == Path("server.key.pem")
    assert config.cors_key_store == Path("cors.key")
    assert config.netloc is None
    assert config.threshold == timedelta(days=31)
    assert config.service_crt_validity == config.user_crt_validity == timedelta(days=93)
    assert config.service_max_csr == config.user_max_csr == 50
    assert (config.service_auto_approve_count, config.user_auto_approve_count) == (0, 1)
    assert config.key_type == KeyType.parse("rsa:2048")
    assert config.idle_timeout == timedelta(minutes=10)
    assert config.access_log is None


@pytest.mark.parametrize("content", ["", "\n", "# netloc: example.com\n", "---\n", "\ufeff", "{}", "~"])
def test_an_empty_file_is_valid(file: Path, content: str) -> None:
    file.write_text(content)
    assert load_server_config(file, {}) == ServerConfig()


def test_everything_can_be_given(file: Path) -> None:
    file.write_text(
        """
db: /var/lib/caucase/ca.sqlite
server_key: ~/server.pem
cors_key_store: secrets/cors
cors_whitelist: [https://Example.com, "http://[2001:DB8::1]:8080", http://a.example:80]
netloc: ca.example.com:8009
base_port: 8080
bind:
  - 127.0.0.1
  - ::1
threshold: 10.5
key_type: ec:P-256
service_crt_validity: 30
user_crt_validity: '365'
service_max_csr: 0
user_max_csr: 7
service_auto_approve_count: 2
user_auto_approve_count: 0
lock_auto_approve_count: on
backup_directory: /backup
backup_period: 0.5
idle_timeout: 1h 30min
access_log: no
""",
    )
    assert load_server_config(file, {}) == ServerConfig(
        db=Path("/var/lib/caucase/ca.sqlite"),
        server_key=Path.home() / "server.pem",
        cors_key_store=Path("secrets/cors"),
        cors_whitelist=("https://example.com", "http://[2001:db8::1]:8080", "http://a.example"),
        netloc=NetLoc(host="ca.example.com", port=8009),
        base_port=8080,
        bind=("127.0.0.1", "::1"),
        threshold=timedelta(days=10.5),
        key_type=KeyType.parse("ec:P-256"),
        service_crt_validity=timedelta(days=30),
        user_crt_validity=timedelta(days=365),
        service_max_csr=0,
        user_max_csr=7,
        service_auto_approve_count=2,
        user_auto_approve_count=0,
        lock_auto_approve_count=True,
        backup_directory=Path("/backup"),
        backup_period=timedelta(hours=12),
        idle_timeout=timedelta(minutes=90),
        access_log=False,
    )


def test_a_single_value_is_a_list_of_one(file: Path) -> None:
    file.write_text("bind: 127.0.0.1\n")
    assert load_server_config(file, {}).bind == ("127.0.0.1",)


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    content = """\
netlok: ca.example.com
server-key: x
threshold: 31
bind:
  - 127.0.0.1
  - nowhere
  - [a]
threshold: 12
access_log: maybe
db:
frobnicate: 1
service_crt_validity: 20
"""
    assert mistakes(file, content, base_port="65535", cors_whitelist=["https://a/", "https://b"]) == [
        "FILE:1: 'netlok': there is no such key; did you mean netloc?",
        "FILE:2: 'server-key': there is no such key; did you mean server_key?",
        "FILE:6: bind: 'nowhere' is not an IP address",
        "FILE:7: bind: a single value must stand here",
        "FILE:8: threshold: is given a second time, first in line 3",
        "FILE:9: access_log: 'maybe' is neither true nor false",
        "FILE:10: db: has no value; give one or take the line out",
        "FILE:11: 'frobnicate': there is no such key",
        "--base-port: 65535 is not between 1 and 65534",
        "--cors-whitelist: 'https://a/' is not an origin, scheme://host or scheme://host:port,"
        " without a path",
        "FILE:12: service_crt_validity: threshold (31 days) must be shorter than service_crt_validity"
        " (20 days), or every certificate is due at once",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- netloc\n", "FILE:1: the file is not a list of options, one 'key: value' a line"),
        ("netloc\n", "FILE:1: the file is not a list of options, one 'key: value' a line"),
        ("\n? [a]\n: b\n", "FILE:2: a key must be a word"),
        ("netloc: {host: a}\n", "FILE:1: netloc: a single value must stand here"),
        ("netloc: [a]\n", "FILE:1: netloc: a single value must stand here"),
        ("netloc: null\n", "FILE:1: netloc: has no value; give one or take the line out"),
        ("db: &a x\nserver_key: *a\n", "FILE:1: anchors and aliases are not allowed"),
        ("db: *a\n", "FILE:1: anchors and aliases are not allowed"),
        ("db: !!python/name:os.system x\n", "FILE:1: tags are not allowed"),
        ("bind: " + "[" * 1000, "FILE:1: this is nested too deeply"),
        ("db: a\n---\ndb: b\n", "FILE:2: but found another document"),
        ("db: a\nnetloc: b: c\n", "FILE:2: is not valid YAML: mapping values are not allowed here"),
        (b"# \n# \xff\n", "FILE:2: is not UTF-8 text"),
        (b"# \ndb: \x00\n", "FILE:2: holds a character that YAML does not allow"),
        ("#" * (SIZE_LIMIT + 1), f"FILE: is larger than {SIZE_LIMIT} bytes"),
        ("x" * 500 + ": 1", f"FILE:1: '{'x' * 60}…': there is no such key"),
        (
            "netloc: a_b\n",
            "FILE:1: netloc: netloc 'a_b': 'a_b' is not a host name. Give a non-ASCII name in its xn-- form",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(file: Path, content: str | bytes, expected: str) -> None:
    assert mistakes(file, content) == [expected]


def test_mistakes_on_the_command_line_are_told_beside_a_broken_file(file: Path) -> None:
    assert mistakes(file, "[", bind="nowhere")[-1] == "--bind: 'nowhere' is not an IP address"


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"caucased\.yaml: cannot be read: No such file or directory"):
        load_server_config(file, {})


def test_links_in_a_circle(file: Path) -> None:
    file.symlink_to(file)
    with pytest.raises(
        ConfigError, match=r"caucased\.yaml: cannot be read: Too many levels of symbolic links"
    ):
        load_server_config(file, {})


def test_a_flag_overrides_its_key_and_only_then_are_the_two_compared(file: Path) -> None:
    file.write_text("threshold: 40\nuser_crt_validity: 30\nservice_crt_validity: 50\n")
    assert load_server_config(file, {"user_crt_validity": "60"}).user_crt_validity == timedelta(days=60)
    wrong = mistakes(file, "threshold: 40\n", user_crt_validity="30")
    assert [line.partition(": ")[0] for line in wrong] == ["--user-crt-validity"]


def test_every_option_has_a_flag_and_a_flag_gives_what_yaml_gives(file: Path) -> None:
    parser = argparse.ArgumentParser()
    flags.add_options(parser)
    assert flags.given(parser.parse_args([])) == {}
    arguments = [
        *("--netloc", "a.example:8009", "--bind", "127.0.0.1", "--bind", "::1"),
        *("--cors-whitelist", "http://a", "http://b", "--key-len", "3072", "--no-access-log"),
        *("--lock-auto-approve-count", "--idle-timeout", "90", "--threshold", "5", "--base-port", "80"),
    ]
    file.write_text(
        "netloc: a.example:8009\nbind: [127.0.0.1, '::1']\ncors_whitelist: [http://a, http://b]\n"
        "key_type: rsa:3072\naccess_log: no\nlock_auto_approve_count: yes\nidle_timeout: 90\n"
        "threshold: 5\nbase_port: 80\n"
    )
    assert load_server_config(None, flags.given(parser.parse_args(arguments))) == load_server_config(file, {})
    text = parser.format_help()
    for option in OPTIONS.values():
        assert option.flag in text
        assert option.help.endswith(".")


def test_key_len_is_checked_as_a_key_type() -> None:
    with pytest.raises(ConfigError, match="--key-len: 'rsa:1024' is not a key type for a CA"):
        load_server_config(None, {"key_type": "1024"})


def test_flags_without_their_argument_are_left_to_argparse() -> None:
    parser = argparse.ArgumentParser()
    flags.add_options(parser)
    with pytest.raises(SystemExit), redirect_stderr(io.StringIO()):
        parser.parse_args(["--netloc"])


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200), st.text(alphabet="abdnetloci_:-[]{}&*!|>'\"#%@,?\n 01", max_size=80)
    )
)
def test_whatever_the_file_holds_the_answer_is_a_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        assert isinstance(load_server_config(file, {}), ServerConfig)
    except ConfigError as error:
        assert all(line.startswith(str(file)) for line in str(error).split("\n"))


@settings(max_examples=100, deadline=None)
@given(
    contents=st.dictionaries(
        st.one_of(st.sampled_from(sorted(OPTIONS)), st.text(max_size=20)),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
        ),
    )
)
def test_well_formed_yaml_of_any_types(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, object]
) -> None:
    file = tmp_path_factory.getbasetemp() / "types.yaml"
    file.write_text(yaml.safe_dump(contents, allow_unicode=True), encoding="utf-8", errors="replace")
    try:
        config = load_server_config(file, {})
    except ConfigError:
        return
    assert set(contents) <= set(OPTIONS)
    assert config.threshold < min(config.service_crt_validity, config.user_crt_validity)


def test_a_file_with_thousands_of_values_is_not_read_on(file: Path) -> None:
    told = mistakes(file, "bind: [" + "a," * 10_000 + "]\n")
    assert told == ["FILE:1: there are more than 5000 values"]


def test_thousands_of_mistakes_are_summed_up(file: Path) -> None:
    """And what was meant is guessed for the first few only: that takes a millisecond each."""
    told = mistakes(file, "".join(f"netlok{number}: x\n" for number in range(2000)))
    assert len(told) == 101
    assert told[0].endswith("did you mean netloc?")
    assert told[99].endswith("there is no such key")
    assert told[100] == "and 1900 more mistakes"
