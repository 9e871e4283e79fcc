"""Starts a real Chromium, headless, with a home of its own: certificates in its store, policies, preferences.

Nothing is left on the machine and nothing of it is used: the browser runs in mount and process namespaces that end with it,
where the folder of Chromium's policies is one that a test has made.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ChromeOptions
from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

START_SECONDS = 60
# A page that has not loaded then never will.
PAGE_SECONDS = 30

_POLICIES = Path("/etc/chromium")
_PROGRAMS = ("chromium", "chromedriver", "certutil", "pk12util", "unshare")
_PASSWORD = "none"  # of the file that carries a key into the store, which is gone a moment later

# In namespaces of its own, so that other browsers do not see the policies, and every process of this one ends with the first.
_ISOLATED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_NOT_AS_ROOT = ("--user", "--map-root-user")
_START = 'mount --bind "$0" /etc/chromium && exec chromedriver --port=0'

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--lang=en-GB",
)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a browser is started with.

    ``hosts``: names, perhaps with a port, and where they are found; all others are found nowhere. ``authorities``: CA certificates to trust for
    HTTPS, PEM. ``user``: a PKCS #12 file with the user's key and certificate (its password is ``none``), shown without asking
    to the origins of ``shown_to``, and not otherwise. ``preferences``: Chromium's own, by their dotted names.
    """

    hosts: Mapping[str, str]
    authorities: Sequence[bytes]
    user: Path | None = None
    shown_to: Sequence[str] = ()
    preferences: Mapping[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def chromium(folder: Path, profile: Profile) -> Iterator[WebDriver]:
    """A browser with this profile, whose files are in ``folder``, which must be empty. AssertionError if it does not start."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    assert not missing, f"Not installed: {', '.join(missing)}. `make test` installs what the tests need."
    home = folder / "home"
    _fill_store(home / ".pki" / "nssdb", profile)
    process, port = _start_driver(folder, home, _write_policies(folder / "policies", profile))
    try:
        driver = _connect(port, folder / "profile", profile)
        try:
            yield driver
        finally:
            driver.quit()
    finally:
        # With it goes its process namespace.
        process.kill()
        process.wait()


def wait(driver: WebDriver) -> WebDriverWait:
    """For what a page does a moment later."""
    return WebDriverWait(driver, PAGE_SECONDS, poll_frequency=0.02)


@contextlib.contextmanager
def leaving(driver: WebDriver) -> Iterator[None]:
    """What is done here leads to another page, which is there at the end."""
    driver.execute_script("window.left = false")
    yield
    # Between two pages there may be none that a script could run in.
    patient = WebDriverWait(driver, PAGE_SECONDS, 0.02, [WebDriverException])
    patient.until(
        lambda _: driver.execute_script("return !('left' in window) && document.readyState === 'complete'")
    )


def cdp(driver: WebDriver, command: str, **parameters: Any) -> Any:
    """One command of the DevTools protocol; its result."""
    answer = driver.execute("executeCdpCommand", {"cmd": command, "params": parameters})
    return answer["value"]


def click_at(driver: WebDriver, x: float, y: float) -> None:
    """A click of the mouse there, whatever is there."""
    for kind in ("mousePressed", "mouseReleased"):
        cdp(driver, "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def _fill_store(store: Path, profile: Profile) -> None:
    """Make the NSS database that Chromium takes certificates from."""
    store.mkdir(parents=True)
    database = f"sql:{store}"

    def run(*command: str, given: bytes = b"") -> None:
        subprocess.run(command, input=given, check=True, capture_output=True, timeout=START_SECONDS)

    run("certutil", "-d", database, "-N", "--empty-password")
    for number, pem in enumerate(profile.authorities):
        # Trusted to identify web sites, for nothing else.
        run("certutil", "-d", database, "-A", "-t", "C,,", "-n", f"authority {number}", "-a", given=pem)
    if profile.user is not None:
        run("pk12util", "-d", database, "-i", str(profile.user), "-W", _PASSWORD)


def _write_policies(folder: Path, profile: Profile) -> Path:
    """A copy of what is in /etc/chromium, with policies."""
    shutil.copytree(_POLICIES, folder)
    managed = folder / "policies" / "managed"
    managed.mkdir(parents=True, exist_ok=True)
    chosen = [json.dumps({"pattern": origin, "filter": {}}) for origin in profile.shown_to]
    (managed / "caucase.json").write_text(
        json.dumps({"AutoSelectCertificateForUrls": chosen, "DownloadRestrictions": 3})
    )
    return folder


def _start_driver(folder: Path, home: Path, policies: Path) -> tuple[subprocess.Popen[bytes], int]:
    """ChromeDriver, from which Chromium is started, and its port."""
    log_path = folder / "chromedriver.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*_ISOLATED, *(_NOT_AS_ROOT if os.geteuid() else ()), "sh", "-c", _START, policies],
            env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        said = log_path.read_text(errors="replace")
        if found := re.search(r"started successfully on port (\d+)", said):
            return process, int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError(f"ChromeDriver did not start: {said}")


def _connect(port: int, data: Path, profile: Profile) -> WebDriver:
    options = ChromeOptions()
    # Not Debian's wrapper, which reads what the machine's administrator wants of browsers.
    options.binary_location = "/usr/lib/chromium/chromium"
    rules = ", ".join(
        [
            *(f"MAP {name} {address}" for name, address in profile.hosts.items()),
            "EXCLUDE 127.0.0.1",
            "MAP * ^NOTFOUND",
        ]
    )
    for argument in (*_ARGUMENTS, f"--user-data-dir={data}", f"--host-resolver-rules={rules}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", dict(profile.preferences))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    connection = ChromiumRemoteConnection(f"http://127.0.0.1:{port}", "goog", "chrome")
    driver = WebDriver(command_executor=connection, options=options)
    driver.set_page_load_timeout(PAGE_SECONDS)
    driver.set_script_timeout(PAGE_SECONDS)
    return driver
