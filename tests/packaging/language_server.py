"""As much of an editor as it takes to ask the YAML language server (LSP 3.17 over standard input and output)."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_SERVER = ROOT / ".venv-editor" / "node_modules" / ".bin" / "yaml-language-server"
# Nothing is fetched from anywhere: the file says where its schema is.
_SETTINGS = {"schemaStore": {"enable": False}, "validate": True, "completion": True, "hover": True}
_MESSAGES_LIMIT = 100


class LanguageServer:
    """A running server. Files are text that is sent to it; lines and columns count from 0."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._ids = itertools.count()
        self._diagnostics: dict[str, list[Any]] = {}
        self.ask(
            "initialize",
            {"processId": None, "rootUri": None, "capabilities": {"workspace": {"configuration": True}}},
        )
        self._send({"method": "initialized", "params": {}})

    def mistakes(self, path: Path) -> list[tuple[int, str]]:
        """Line and message of each problem in a file, which is open from now on."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": path.read_text()}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        for _ in range(_MESSAGES_LIMIT):
            if path.as_uri() in self._diagnostics:
                break
            self._take(self._receive())
        found = self._diagnostics.pop(path.as_uri())
        return [(one["range"]["start"]["line"], one["message"]) for one in found]

    def completions(self, path: Path, line: int, column: int) -> dict[str, Any]:
        """What an open file may go on with at a place, by label."""
        answer = self.ask("textDocument/completion", _place(path, line, column))
        return {item["label"]: item for item in answer["items"]}

    def hover(self, path: Path, line: int, column: int) -> str:
        """What is told of a place in an open file."""
        text: str = self.ask("textDocument/hover", _place(path, line, column))["contents"]["value"]
        return text

    def ask(self, method: str, params: Any) -> Any:
        """Send a request and wait for its result."""
        number = next(self._ids)
        self._send({"id": number, "method": method, "params": params})
        for _ in range(_MESSAGES_LIMIT):
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                return message["result"]
            self._take(message)
        raise AssertionError(f"no answer to {method}")

    def _take(self, message: Any) -> None:
        """Answer what the server asks, and note what it tells."""
        if message.get("method") == "workspace/configuration":
            items = [_SETTINGS if item["section"] == "yaml" else {} for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": items})
        elif message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "id" in message and "method" in message:
            self._send({"id": message["id"], "result": None})

    def _send(self, message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name == b"Content-Length":
                length = int(value)
        assert length, "the language server has ended"
        return json.loads(self._process.stdout.read(length))


def _place(path: Path, line: int, column: int) -> Any:
    return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}


@contextlib.contextmanager
def language_server() -> Iterator[LanguageServer]:
    process = subprocess.Popen([_SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield LanguageServer(process)
    finally:
        process.kill()
        process.communicate()
