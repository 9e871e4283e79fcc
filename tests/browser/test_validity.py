"""The Nu HTML checker finds nothing to say about any page, nor about what belongs to them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver.remote.webdriver import WebDriver

from .authority import Authority
from .chromium import cdp
from .pages import NAMES, Page

ROOT = Path(__file__).parents[2]
SECONDS = 120


# So that it is seen that something would be found.
WRONG = "<!DOCTYPE html><p><ul><li></p>"
ASSETS = ("console.css", "icon.svg")


def checked(folder: Path) -> list[dict[str, Any]]:
    """What the checker says of all files there: errors, warnings and whatever else it says."""
    jar = ROOT / ".venv-browser/node_modules/vnu-jar/build/dist/vnu.jar"
    assert jar.exists(), (
        "The HTML checker is not there: `make test` installs it, or `make .venv-browser/.made`."
    )
    options = ["--format", "json", "--exit-zero-always", "--also-check-css", "--also-check-svg"]
    command = ["java", "-jar", jar, *options, folder]
    done = subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)
    messages: list[dict[str, Any]] = json.loads(done.stderr)["messages"]
    # What a stranger wrote is shown as it was written.
    return [one for one in messages if "not in Unicode Normalization Form C" not in one["message"]]


def source(browser: WebDriver) -> str:
    """The page as the server sent it."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    answers = [one["params"] for one in events if one["method"] == "Network.responseReceived"]
    [*_, last] = [one["requestId"] for one in answers if one["type"] == "Document"]
    return str(cdp(browser, "Network.getResponseBody", requestId=last)["body"])


def test_every_page(shown: Callable[[str], tuple[Page, WebDriver]], ca: Authority, tmp_path: Path) -> None:
    for name in NAMES:
        page, browser = shown(name)
        page.open(browser, ca)
        (tmp_path / f"{name}.html").write_text(source(browser))
    for name in ASSETS:
        (tmp_path / name).write_bytes(ca.ask("GET", f"/ui/static/{name}").expect(200).body)
    for name in ("wrong.html", "wrong.css", "wrong.svg"):
        (tmp_path / name).write_text(WRONG)
    said = checked(tmp_path)
    assert [one for one in said if "/wrong." not in one["url"]] == []
    assert {one["url"].rpartition("/")[2] for one in said} == {"wrong.html", "wrong.css", "wrong.svg"}
