"""axe-core, the rules of WCAG as far as a program can check them, on every page: in both colour schemes, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from .authority import Authority
from .chromium import cdp
from .pages import NAMES, Page
from .pictures import window_of

ROOT = Path(__file__).parents[2]
_RUN = """
const [options, done] = arguments;
axe.run(document, { resultTypes: ["violations"], ...options }).then(
  (results) => done(results.violations.map(({ id, impact, help, nodes }) => [impact, id, help, nodes.map((one) => one.html)])),
  (error) => done([["critical", "axe", String(error), []]]),
);
"""


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, from the environment that `make test` makes."""
    path = ROOT / ".venv-browser/node_modules/axe-core/axe.min.js"
    assert path.exists(), "axe-core is not there: `make test` installs it, or `make .venv-browser/.made`."
    return path.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_no_violation(
    shown: Callable[[str], tuple[Page, WebDriver]], ca: Authority, axe: str, name: str
) -> None:
    """Not one, however slight."""
    page, browser = shown(name)
    page.open(browser, ca)
    browser.execute_script(axe)
    for width in (320, 1440):
        with window_of(browser, width):
            assert browser.execute_async_script(_RUN, {}) == [], width
    _prefer(browser, "dark")
    assert browser.execute_async_script(_RUN, {"runOnly": ["color-contrast"]}) == []


def test_axe_finds_something(browser: WebDriver, axe: str) -> None:
    """What it is given here, at least."""
    browser.get("data:text/html,<body><img src='x'><p style='color:lightgray'>hardly to be seen")
    browser.execute_script(axe)
    found = {one[1] for one in browser.execute_async_script(_RUN, {})}
    assert {"color-contrast", "document-title", "html-has-lang", "image-alt"} <= found


def _prefer(browser: WebDriver, scheme: str) -> None:
    cdp(browser, "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
