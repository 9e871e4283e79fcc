"""The parser of ``caucase.sh``: what Python's reads it reads the same, or it refuses; what is no JSON it always refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .shells import SCRIPT, Shell

NAMES = ("payload", "digest", "signature")
MESSAGE = {"payload": '{"old_pem": "-----\\n", "new_pem": "\\n/"}', "digest": "sha256", "signature": "YQ==\n"}


@pytest.fixture(scope="session")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script without its last line, which would do something; then the parser, alone."""
    script = tmp_path_factory.mktemp("functions") / "functions.sh"
    text, count = re.subn(
        r'^main "\$@"$', 'LC_ALL=C\nexport LC_ALL\njson "$1" "$2" ./', SCRIPT.read_text(), flags=re.M
    )
    assert count == 1
    script.write_text(text)
    return script


class Parser:
    def __init__(self, sh: Shell, script: Path, folder: Path) -> None:
        self.sh = sh
        self.script = script
        self.folder = folder

    def parse(
        self, text: bytes, *, shape: str = "list", names: tuple[str, ...] = NAMES
    ) -> list[dict[str, str]] | None:
        """The objects, or nothing for a refusal."""
        for path in self.folder.iterdir():
            path.unlink()
        done = self.sh.run(
            shape, " ".join(names), cwd=self.folder, script=self.script, text=text.decode("latin-1")
        )
        if done.code != 0:
            return None
        assert done.err == ""
        return [
            {name: (self.folder / f"{number + 1}.{name}").read_bytes().decode("ascii") for name in names}
            for number in range(int(done.out))
        ]


@pytest.fixture
def parser(sh: Shell, functions: Path, tmp_path: Path) -> Parser:
    folder = tmp_path / "parsed"
    folder.mkdir()
    return Parser(sh, functions, folder)


@pytest.mark.parametrize("count", [0, 1, 2, 40])
@pytest.mark.parametrize("indent", [None, 2])
def test_what_servers_send(parser: Parser, count: int, indent: int | None) -> None:
    messages = [{**MESSAGE, "digest": f"sha{number}"} for number in range(count)]
    assert parser.parse(json.dumps(messages, indent=indent).encode()) == messages


def test_order_of_members_is_no_matter(parser: Parser) -> None:
    turned = dict(reversed(MESSAGE.items()))
    assert parser.parse(json.dumps([turned, MESSAGE]).encode()) == [MESSAGE, MESSAGE]


def test_one_object(parser: Parser) -> None:
    payload = {"old_pem": "a\nb", "new_pem": ""}
    names = ("old_pem", "new_pem")
    assert parser.parse(json.dumps(payload).encode(), shape="object", names=names) == [payload]
    for other in ([payload], [], {}, {"old_pem": "a"}, payload | {"more": ""}):
        assert parser.parse(json.dumps(other).encode(), shape="object", names=names) is None


OBJECT = '{"payload": "p", "digest": "d", "signature": "s"}'


def instead(text: str, of: str = '"d"') -> str:
    return f"[{OBJECT.replace(of, text)}]"


REFUSED = {
    "nothing": "",
    "white space": " \n",
    "no list": OBJECT,
    "a text": '"payload"',
    "not closed": f"[{OBJECT}",
    "closed twice": f"[{OBJECT}]]",
    "two documents": f"[{OBJECT}] [{OBJECT}]",
    "a comma too many": f"[{OBJECT},]",
    "no comma": f"[{OBJECT} {OBJECT}]",
    "a list in it": f"[[{OBJECT}]]",
    "a member is missing": '[{"payload": "p", "digest": "d"}]',
    "a member too many": '[{"payload": "p", "digest": "d", "signature": "s", "more": "m"}]',
    "a member twice": '[{"payload": "p", "digest": "d", "digest": "d"}]',
    "members of one in the other": '[{"payload": "p", "digest": "d"}, {"payload": "p", "digest": "d", "signature": "s", "signature": "s"}]',
    "another name": '[{"payload": "p", "digest": "d", "Signature": "s"}]',
    "a name of a path": '[{"payload": "p", "digest": "d", "../signature": "s"}]',
    "null": '[{"payload": "p", "digest": null, "signature": "s"}]',
    "a number": '[{"payload": "p", "digest": 256, "signature": "s"}]',
    "an object as member": '[{"payload": {"a": "b"}, "digest": "d", "signature": "s"}]',
    "quotation marks of another kind": OBJECT.replace('"', "'"),
    "a name without quotation marks": instead("digest", of='"digest"'),
    "text beside a text": instead('"d"x'),
    "two texts": instead('"d" "d"'),
    "a text not closed": '[{"payload": "p',
    "an escape at the end": '[{"payload": "p\\',
    "an escape at the end of a text": instead('"d\\"'),
    "an unknown escape": instead('"\\x41"'),
    "a number for a character": instead('"\\u0064"'),
    "a newline in a text, and no end": instead('"d\n'),
    "a zero byte": instead('"d\0"'),
    "a control character": instead('"d\x1b"'),
    "not ASCII": instead('"\xe4"'),
    "a byte order mark": f"\xef\xbb\xbf[{OBJECT}]",
    "a comment": f"[{OBJECT}] // comment",
    "HTML": "<html><body>Not found</body></html>",
    "a shell's": '[{"payload": "$(id)", "digest": "`id`", "signature": "s"}',
    "backslashes": "[" + "\\" * 200_000,
    "quotation marks": '"' * 200_000,
    "escaped quotation marks": '["' + '\\"' * 100_000,
    "brackets": "[" * 200_000,
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(parser: Parser, what: str) -> None:
    assert parser.parse(REFUSED[what].encode("latin-1")) is None


texts = st.text(st.sampled_from('ab \\"/nut{}[]:,\n\r\t'), max_size=12)
members = st.one_of(st.sampled_from(NAMES), texts)
json_values = st.recursive(
    st.one_of(st.none(), st.integers(), texts),
    lambda inner: st.lists(inner) | st.dictionaries(members, inner),
    max_leaves=4,
)
messages = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, texts)), max_size=3)
documents = st.one_of(
    messages.map(json.dumps),
    messages.map(lambda value: json.dumps(value, indent=1)),
    json_values.map(json.dumps),
    # Nearly JSON: a character gone, or one more.
    st.builds(
        lambda value, at, more: (
            (text := json.dumps(value))[: at % (len(text) + 1)] + more + text[at % (len(text) + 1) + 1 :]
        ),
        messages,
        st.integers(min_value=0, max_value=200),
        st.sampled_from(["", '"', "\\", "{", "}", "]", ",", ":", "n", " "]),
    ),
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=documents)
def test_read_as_python_reads_it_or_not_at_all(parser: Parser, text: str) -> None:
    found = parser.parse(text.encode("latin-1"))
    try:
        meant: Any = json.loads(text, strict=False)
    except ValueError:
        assert found is None
        return
    if found is not None:
        # White space within a text becomes a space: which no signature survives.
        assert found == [{name: value.replace("\0", " ") for name, value in one.items()} for one in meant]
    elif isinstance(meant, list) and meant and text == json.dumps(meant):
        assert (
            not all(
                isinstance(one, dict)
                and set(one) == set(NAMES)
                and all(isinstance(value, str) for value in one.values())
                for one in meant
            )
            or "\\\\\\" in text
        )
