"""Fixtures of the tests with a browser: one server, other sites, and browsers that are started once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from . import authority, sites
from .authority import Authority
from .chromium import Profile, cdp, chromium
from .pages import Page, pages
from .sites import Sites

_HERE = Path(__file__).parent
# The last two share a site with the server: its cookies are not third-party cookies there.
HOSTS = [sites.APPLICATION, sites.EVIL, sites.SIBLING, authority.HOST]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They share browsers, so they stay in one process."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """The server, with one user. Tests may add to it, and must not revoke the user."""
    with authority.running(tmp_path_factory.mktemp("authority")) as started:
        yield started


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """The other sites."""
    with sites.serving(tmp_path_factory.mktemp("sites"), HOSTS) as started:
        yield started


@pytest.fixture(scope="session")
def _browsers(
    ca: Authority, others: Sites, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], WebDriver]]:
    """Browsers by name, each started when it is first asked for."""
    trusted = {"hosts": dict.fromkeys(HOSTS, "127.0.0.1"), "authorities": [ca.https_ca_pem, others.ca_pem]}
    user = {"user": ca.user_pkcs12, "shown_to": [ca.origin]}
    # Debian's Chromium refuses third-party cookies unless it is told otherwise, others the other way round.
    allowing, refusing = {"profile.cookie_controls_mode": 0}, {"profile.cookie_controls_mode": 1}
    profiles = {
        "user": Profile(**trusted, **user, preferences=allowing),
        "stranger": Profile(**trusted, preferences=allowing),
        "strict": Profile(**trusted, **user, preferences=refusing),
        "scriptless": Profile(
            **trusted, **user, preferences={"profile.managed_default_content_settings.javascript": 2}
        ),
    }
    started: dict[str, WebDriver] = {}
    with ExitStack() as stack:

        def browser(name: str) -> WebDriver:
            if name not in started:
                folder = tmp_path_factory.mktemp(name)
                started[name] = stack.enter_context(chromium(folder, profiles[name]))
            return started[name]

        yield browser


@pytest.fixture
def browser(_browsers: Callable[[str], WebDriver]) -> Iterator[WebDriver]:
    """The browser of a user, whose certificate it shows to the server by itself."""
    yield _browsers("user")
    _clear(_browsers("user"))


@pytest.fixture
def stranger(_browsers: Callable[[str], WebDriver]) -> Iterator[WebDriver]:
    """The browser of somebody who has no certificate."""
    yield _browsers("stranger")
    _clear(_browsers("stranger"))


@pytest.fixture
def strict(_browsers: Callable[[str], WebDriver]) -> Iterator[WebDriver]:
    """The browser of a user who lets it refuse third-party cookies."""
    yield _browsers("strict")
    _clear(_browsers("strict"))


@pytest.fixture
def scriptless(_browsers: Callable[[str], WebDriver]) -> Iterator[WebDriver]:
    """The browser of a user who lets it run no scripts."""
    yield _browsers("scriptless")
    _clear(_browsers("scriptless"))


@pytest.fixture(scope="session")
def _pages(ca: Authority) -> Mapping[str, Page]:
    return pages(ca)


@pytest.fixture
def shown(
    _pages: Mapping[str, Page], _browsers: Callable[[str], WebDriver]
) -> Iterator[Callable[[str], tuple[Page, WebDriver]]]:
    """A page by its name, and the browser it is meant for."""
    used = set()

    def show(name: str) -> tuple[Page, WebDriver]:
        page = _pages[name]
        used.add("user" if page.for_user else "stranger")
        return page, _browsers("user" if page.for_user else "stranger")

    yield show
    for name in used:
        _clear(_browsers(name))


def _clear(driver: WebDriver) -> None:
    """As it was when it started: one window, no cookies, nothing in its logs."""
    first, *more = driver.window_handles
    for handle in more:
        driver.switch_to.window(handle)
        driver.close()
    driver.switch_to.window(first)
    driver.get("about:blank")
    cdp(driver, "Emulation.setEmulatedMedia", features=[])
    cdp(driver, "Network.clearBrowserCookies")
    cdp(driver, "Network.clearBrowserCache")
    for name in ("browser", "performance"):
        driver.get_log(name)
