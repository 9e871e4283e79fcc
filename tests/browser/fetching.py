"""What a script of a page gets, when it asks another site with the user's credentials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from selenium.webdriver.remote.webdriver import WebDriver

_FETCH = """
const [url, method, body, type, done] = arguments;
const headers = type ? { "Content-Type": type } : {};
fetch(url, { method, body: body || undefined, headers, credentials: "include" }).then(
  async (answer) => done([answer.status, Object.fromEntries(answer.headers), await answer.text()]),
  () => done(null),
);
"""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """An answer that a page may read. ``headers``: those that it may; names in lower case."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def fetch(
    browser: WebDriver, url: str, method: str = "GET", body: str = "", content_type: str = ""
) -> Fetched | None:
    """The answer; ``None`` when the page may not read it."""
    found = browser.execute_async_script(_FETCH, url, method, body, content_type)
    return None if found is None else Fetched(status=found[0], headers=found[1], text=found[2])
