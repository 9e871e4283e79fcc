"""The JSON Schemas say what the program does: of each value, of what stands beside what, of every example there is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, ValidationError, validators

from caucase.config.json_schema import FILES
from caucase.config.load import load_server_config
from caucase.config.load_client import load_client_config
from caucase.config.load_updater import load_updater_config
from caucase.config.setting import Setting
from caucase.errors import ConfigError

from . import yaml12

ROOT = Path(__file__).parents[2]
LOADERS: Mapping[str, Callable[[Path], object]] = {
    "caucased": lambda path: load_server_config(path, {}),
    "updater": load_updater_config,
    "client": lambda path: load_client_config([path], data_folder=path.parent),
}
# What the program refuses and the schema does not, by what the program says; and why.
NOT_EXPRESSED = {
    r"is not between|must be more than 0|is longer than": "the range of a number written as text",
    r"the port must be a number|is not an origin": "the range of a number within text",
    r"is not an IP(v6)? address|is not a URL|is not a name that a certificate": "which groups of an IPv6 address are left out",
    r"an RSA key has": "the range of a number within text",
    r"is not the name of a user": "the range of a number written as text",
    r"has more than a host, a port and a path": "which characters are printable",
    r"there is no such home directory": "what another machine has",
    r"The subject": "how long each attribute may be, which characters it may have, what is beside it",
    r"is no extended key usage": "how large the numbers of an OID may be",
}
# The same of numbers, which a schema sees as numbers, however they are written: 0x10, 1e2, +5, .5, 5.0.
SPELLED = (
    r"is not a whole number|is not a number of days|is neither a number of seconds|is not a mode in octal"
)


def ecma_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """As JSON Schema has it: Python's ``$`` also matches before a newline at the end."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$\Z", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


Validator = validators.extend(Draft7Validator, {"pattern": ecma_pattern})
# One of each kind: those with the same schema are the same.
SETTINGS = {
    str(setting.parse.schema): (file, setting)
    for name, file in FILES.items()
    for one in file.settings.values()
    for setting in one.inner.values() or [one]
}


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from [schema["pattern"]] if "pattern" in schema else []
        yield from (pattern for value in schema.values() for pattern in patterns(value))
    elif isinstance(schema, list):
        yield from (pattern for value in schema for pattern in patterns(value))


def constants(schema: Any) -> Iterator[str]:
    for each in schema.get("anyOf", [schema]):
        yield from map(str, each.get("enum", []))
        yield from (str(each[limit]) for limit in ("minimum", "maximum", "exclusiveMinimum") if limit in each)


SOMETIMES_WRITTEN = """
yes No on OFF true False null ~ 0640 640 0x10 0o640 1e2 +5 .5 5. 5.0 .nan 1_000 1:30 10min 1h30m 1w 99999d
/etc/x ~/x ~ ../x a/.. a/..b .. key ca+ca key+certificate ca+crl CN=a O=a,C=DE CN=#a CN=a+O=b www
nginx.service nginx x@.service a@b.timer root 33 4294967295 a.example:80 [::1]:80 [::1 ::1 fe80::1%eth0
127.0.0.1 127.1 1.2.3.4.5 *.example.com a@b.example URI:spiffe://a/b http://a http://a/b http://a?x
https://a https://a:443 https://a:99999 https://a/ rsa:2048 rsa:2049 rsa:9000 ec:P-256 ed25519 service user
digitalSignature serverAuth 1.2.3.4 1.2 9.9.9
"""
WRITTEN = st.one_of(
    st.integers(-10, 10**7).map(str),
    st.floats(0, 4000, allow_nan=False).map(lambda number: f"{number:.3f}"),
    st.text(max_size=12),
    st.sampled_from(SOMETIMES_WRITTEN.split()),
)


def is_utf8(text: str) -> bool:
    """Whether a file can have it: no half of a surrogate pair, which ``from_regex`` makes and ``text`` does not."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def texts(setting: Setting) -> st.SearchStrategy[str]:
    """What somebody may have meant, and anything else."""
    schema = setting.parse.schema
    meant = [st.from_regex(pattern).filter(is_utf8) for pattern in patterns(schema)]
    return st.one_of(WRITTEN, *meant, st.sampled_from([*constants(schema), *constants(schema), "0"]))


@pytest.mark.parametrize("kind", [pytest.param(kind, id=one.key) for kind, (_, one) in SETTINGS.items()])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_value_is_right_for_both_or_for_neither(kind: str, data: st.DataObject) -> None:
    file, setting = SETTINGS[kind]
    text = data.draw(texts(setting))
    try:
        setting.parse(text)
        refusal = ""
    except ValueError as error:
        refusal = str(error)
    validator = Validator(file._property(setting))
    # In quotes it is text for everybody.
    agree(refusal, validator.is_valid(text), NOT_EXPRESSED)
    # Without them a number is one.
    seen = yaml12.read_plain(text)
    if seen is None or isinstance(seen, str):
        return
    if is_unknown(seen, setting.parse.schema):
        # A name or a path that looks like a number, or like true, wants quotes in an editor; the program takes it as it is.
        assert not validator.is_valid(seen)
    else:
        agree(refusal, validator.is_valid(seen), {**NOT_EXPRESSED, SPELLED: ""})


def agree(refusal: str, is_valid: bool, exceptions: Mapping[str, str]) -> None:
    if refusal and is_valid:
        assert any(re.search(said, refusal) for said in exceptions), f"the schema should refuse it: {refusal}"
    assert refusal or is_valid, "the schema should accept it"


def is_unknown(seen: bool | float, schema: Mapping[str, Any]) -> bool:
    """Whether the kind of value has none that YAML takes for a truth value or a number, as this is one."""
    types = {
        each.get("type", type(each.get("enum", [""])[0]).__name__) for each in schema.get("anyOf", [schema])
    }
    return not types & ({"boolean"} if isinstance(seen, bool) else {"integer", "number", "int"})


# What the program says of keys beside each other, where the schema says nothing; and why.
NOT_BETWEEN = {
    r"threshold \(.* days\) must be shorter": "numbers of two keys are not compared",
    r"is the same file as|is the file of the key": "values of two keys are not compared",
    r"is within the state directory": "values of two keys are not compared",
    r"is installed twice": "a part of a value is not compared with that of another",
    r"is given twice": "values of two keys are not compared, nor regardless of small and capital letters",
}
CA_URL = "http://ca.example.com:8009"
VALUES = {
    "ca_url": [CA_URL], "mode": ["service", "user"], "names": ["a", ["a", "b"], ["a", "a"], [], [f"a{n}" for n in range(101)]],
    "subject": ["CN=a"], "key_usage": ["digitalSignature", "encipherOnly", ["encipherOnly", "keyAgreement"], []],
    "extended_key_usage": ["serverAuth", []], "csr": ["c", "k"], "directory": ["/var/lib/x"], "key": ["k"], "crt": ["k", "x"],
    "cas_ca": ["x", "y"], "ca": ["x"], "crl": ["x"], "key_type": ["ed25519"], "threshold": [5], "crl_threshold": [1.5],
    "reload": ["a.service", ["a.service", "a.service"]], "restart": [["a.service", "b.service"]], "start": ["c.service", []],
    "install": [
        {"path": "/etc/a", "content": "ca"}, {"path": "/var/lib/x/a", "content": "crl"}, {"path": "/etc/a"}, {"content": "ca"},
        [{"path": "/etc/a", "content": "crl + ca"}, {"path": "/etc/b", "content": "ca+key"}], {"path": "/etc/a", "other": 1},
        [{"path": "/etc/a", "content": "certificate"}], {"path": "/etc/a", "content": "certificate", "mode": 644},
        {"path": "/etc/a", "content": "key", "mode": 644}, {"path": "/etc/a", "content": "ca+key", "mode": "0640"},
        {"path": "/etc/a", "content": "key+ca", "mode": "0604"}, [], [{"path": "/etc/a", "content": "ca", "owner": 33}] * 2,
    ],
    "other": [1],
}  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    content=st.fixed_dictionaries(
        # All but one in ten have what is required.
        {"ca_url": st.sampled_from([*[CA_URL] * 9, None])},
        optional={
            key: st.sampled_from(values) for key, values in VALUES.items() if key not in ("ca_url", "other")
        },
    ),
    other=st.sampled_from([*[False] * 9, True]),
)
def test_keys_beside_each_other_are_right_for_both_or_for_neither(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any], other: bool
) -> None:
    content = {key: value for key, value in content.items() if value is not None} | (
        {"other": 1} if other else {}
    )
    file = tmp_path_factory.getbasetemp() / "www.yaml"
    # JSON is YAML.
    agree_about(file, "updater", json.dumps(content))


def agree_about(file: Path, name: str, text: str) -> None:
    file.write_text(text)
    try:
        LOADERS[name](file)
        refusals = [""]
    except ConfigError as error:
        refusals = str(error).splitlines()
    valid = Validator(FILES[name].schema()).is_valid(yaml12.load(text))
    # One that the schema should have found is enough.
    agree(*max(((one, valid) for one in refusals), key=lambda pair: not excused(pair[0])), NOT_BETWEEN)


def excused(refusal: str) -> bool:
    return any(re.search(said, refusal) for said in NOT_BETWEEN)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("caucased", "netlok: a"),
        ("caucased", "netloc: [a]"),
        ("caucased", "netloc: {host: a}"),
        ("caucased", "netloc:"),
        ("caucased", "bind: [127.0.0.1, ['::1']]"),
        ("caucased", "workers: 65"),
        ("caucased", "idle_timeout: 10 parsecs"),
        ("client", "user_key: me.pem"),
        ("client", f"url: {CA_URL}"),
        ("updater", "names: a"),
        ("updater", f"ca_url: {CA_URL}\ninstall: /etc/a"),
        ("updater", f"ca_url: {CA_URL}\ninstall: {{path: [/etc/a], content: ca}}"),
        ("updater", f"ca_url: {CA_URL}\nnames: a\ncsr: b\nkey: k"),
        ("updater", f"ca_url: {CA_URL}\ncsr: b"),
        ("updater", f"ca_url: {CA_URL}\nkey: k"),
        ("updater", f"ca_url: {CA_URL}\nsubject: CN=a"),
        ("updater", f"ca_url: {CA_URL}\nnames: a\ninstall: {{path: /etc/a, content: key, mode: 0644}}"),
        ("updater", f"ca_url: {CA_URL}\nnames: a\ninstall: {{path: /etc/a, content: key, mode: 0750}}"),
    ],
)  # fmt: skip
def test_mistakes_that_both_refuse(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "www.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        LOADERS[name](file)
    assert not Validator(FILES[name].schema()).is_valid(yaml12.load(text))


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_one_and_says_what_each_key_is_for(name: str) -> None:
    schema = FILES[name].schema()
    Draft7Validator.check_schema(schema)
    for setting in FILES[name].settings.values():
        described = schema["properties"][setting.key]
        assert described["description"].startswith(setting.help)
        if "default" in described:
            Validator(described).validate(described["default"])


# Examples


def examples() -> Iterator[Any]:
    """Each file in ``etc``, each YAML block of the documents, and each file that they write with echo, a line each."""
    for name in FILES:
        path = ROOT / "etc" / f"{name}.yaml"
        yield pytest.param(name, path.read_text(), id=path.name)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
        for number, block in enumerate(blocks):
            named = re.match(r"# (\S+\.ya?ml)", block)
            if name := name_of(named[1] if named else "updater.yaml"):
                yield pytest.param(name, block, id=f"{path.name}-{number}")
        echoed: dict[str, str] = {}
        for line, file in re.findall(
            r"""echo ['"](.*?)['"] >>? (\S+\.yaml)$""", path.read_text(), re.MULTILINE
        ):
            echoed[file] = f"{echoed.get(file, '')}{line.replace('$PWD', '/home/alice')}\n"
        for file, text in echoed.items():
            if name := name_of(file):
                yield pytest.param(name, text, id=f"{path.name}-{file}")


def name_of(file: str) -> str | None:
    """Which of ours a file is that a document names; ``None`` for another program's."""
    path = PurePosixPath(file)
    if path.stem in ("caucased", "client"):
        return path.stem
    return "updater" if path.parent.name in ("", "updater") else None


@pytest.mark.parametrize(("name", "text"), examples())
def test_examples_are_valid(name: str, text: str) -> None:
    content = yaml12.load(text)
    if content is not None:
        Validator(FILES[name].schema()).validate(content)
    assert content is not None or text.startswith(FILES[name].reference + "\n")


@pytest.mark.parametrize("name", FILES)
def test_examples_are_valid_with_everything_uncommented(name: str) -> None:
    text = (ROOT / "etc" / f"{name}.yaml").read_text()
    content = yaml12.load(re.sub(r"^#((  - |    )?[a-z_]+:)", r"\1", text, flags=re.MULTILINE))
    assert content.keys() == FILES[name].settings.keys()
    # A request that exists stands instead of names.
    content.pop("csr", None)
    Validator(FILES[name].schema()).validate(content)
