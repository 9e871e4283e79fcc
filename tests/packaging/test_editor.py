"""What an editor makes of our files, with the language server that editors use: it checks, completes and explains."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.config.json_schema import FILES, FOLDER
from tests.config.test_json_schema import SOMETIMES_WRITTEN, patterns

from .language_server import LanguageServer, language_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def editor() -> Iterator[LanguageServer]:
    with language_server() as server:
        yield server


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schema")
    for file in FILES.values():
        (folder / file.schema_name).write_text(json.dumps(file.schema()))
    return folder


class Desk:
    """Files with a first line as the packages' have it, but for where the schemas are."""

    def __init__(self, folder: Path, schemas: Path) -> None:
        self._folder = folder
        self._schemas = schemas

    def file(self, kind: str, text: str) -> Path:
        path = self._folder / f"{kind}.yaml"
        if not text.startswith(FILES[kind].reference):
            text = f"{FILES[kind].reference}\n{text}"
        path.write_text(text.replace(f"file://{FOLDER}/", f"{self._schemas.as_uri()}/", 1))
        return path


@pytest.fixture
def desk(tmp_path: Path, schemas: Path) -> Desk:
    return Desk(tmp_path, schemas)


@pytest.mark.parametrize("kind", FILES)
def test_nothing_is_wrong_with_the_examples(editor: LanguageServer, desk: Desk, kind: str) -> None:
    text = (ROOT / "etc" / f"{kind}.yaml").read_text()
    uncommented = re.sub(r"^#((  - |    )?(?!csr:)[a-z_]+:)", r"\1", text, flags=re.MULTILINE)
    assert uncommented != text
    assert editor.mistakes(desk.file(kind, uncommented)) == []


def test_mistakes_are_shown_where_they_are(editor: LanguageServer, desk: Desk) -> None:
    text = """\
netloc: a b
netlok: a
workers: 100
idle_timeout: 10 parsecs
key_type: rsa:1024
lock_auto_approve_count: yes
access_log: maybe
bind: [127.0.0.1, localhost]
db:
"""
    assert sorted(editor.mistakes(desk.file("caucased", text))) == [
        (1, "This must be host or host:port."),
        (2, "Property netlok is not allowed."),
        (3, "Value is above the maximum of 64."),
        (4, "This must be a number of seconds, or a time span such as 90s, 10min or 1h 30min."),
        (5, "This must be one of rsa:2048, rsa:3072, rsa:4096, ec:P-256, ec:P-384."),
        (7, "This must be yes or no."),
        (8, "This must be an IP address."),
        (9, "This must be the name of a file or folder."),
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("names: a\n", (1, 'Missing property "ca_url".')),
        ("ca_url: http://a\ncsr: b\nkey: k\nnames: a\n", (4, "csr: names are given too; a request says by itself whom it is for.")),
        ("ca_url: http://a\nkey: k\n", (1, "key: is of a certificate, and neither names nor csr ask for one.")),
        (
            "ca_url: http://a\nnames: a\ninstall: {path: /x, content: key, mode: 0644}\n",
            (3, "This would let everybody read a private key: the last digit must be 0."),
        ),
        (
            "ca_url: http://a\ninstall:\n  - {path: /x, content: key}\n",
            (1, "install: neither names nor csr ask for a certificate."),
        ),
        (
            "ca_url: http://a\nnames: a\ninstall: {path: /x, content: ca, mode: 0755}\n",
            (3, "This must be permissions in octal, such as 0640, neither executable nor writable for everybody."),
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_shown(
    editor: LanguageServer, desk: Desk, text: str, mistake: tuple[int, str]
) -> None:
    assert editor.mistakes(desk.file("updater", text)) == [mistake]


def test_keys_and_values_are_completed_and_explained(editor: LanguageServer, desk: Desk) -> None:
    path = desk.file("caucased", "netloc: a\n\nkey_type: \n")
    editor.mistakes(path)
    assert editor.completions(path, 2, 0).keys() == FILES["caucased"].settings.keys() - {"netloc", "key_type"}
    assert {"rsa:3072", "ec:P-256"} <= editor.completions(path, 3, 10).keys()
    assert FILES["caucased"].settings["netloc"].help in editor.hover(path, 1, 2)

    path = desk.file("updater", "ca_url: http://a\nmode: \ninstall:\n  - path: /x\n    \n")
    editor.mistakes(path)
    assert editor.completions(path, 2, 6).keys() == {"service", "user"}
    assert {"content", "owner", "group", "mode"} <= editor.completions(path, 5, 4).keys()


def test_patterns_mean_the_same_in_an_editor() -> None:
    """They are JavaScript's there, with the flag that the language server gives them."""
    every = sorted({found for file in FILES.values() for found in patterns(file.schema())})
    texts = SOMETIMES_WRITTEN.split()
    script = """
        const [patterns, texts] = JSON.parse(require("fs").readFileSync(0));
        const found = patterns.map(one => texts.filter(text => new RegExp(one, "u").test(text)));
        console.log(JSON.stringify(found));
    """
    given = json.dumps([every, texts])
    done = subprocess.run(["node", "-e", script], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for pattern, matched in zip(every, json.loads(done.stdout), strict=True):
        assert matched == [text for text in texts if re.search(pattern, text)], pattern
