"""Pages of other sites try to use a user's certificate, which the browser shows by itself: nothing changes, and nothing is read.

Each way of a hostile page to send something is in ``forgery.js``; here are the pages, and what the server says of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import element_to_be_clickable, url_contains

from caucase.core import message
from tests.server.material import make

from .acting import MIDDLE
from .authority import HOST, Authority
from .chromium import cdp, click_at, wait
from .consenting import allow
from .fetching import fetch
from .sites import APPLICATION, EVIL, SIBLING, Sites

SCRIPT = Path(__file__).with_name("forgery.js").read_text()
ATTEMPT = f"{SCRIPT}\nconst [target, done] = arguments; attempt(target).then(done);"
REFUSED = {"401", "403"}


@dataclass(frozen=True, kw_only=True)
class Prey:
    """What there is to be had: requests that wait, and a certificate. ``serial``: of one that could be revoked."""

    to_sign: str
    to_reject: str
    user_request: str
    serial: int

    @classmethod
    def of(cls, ca: Authority, name: str) -> Prey:
        return cls(
            to_sign=ca.submit(make(f"{name}.sign.example.com")),
            to_reject=ca.submit(make(f"{name}.reject.example.com")),
            user_request=ca.submit(make(f"{name}, who would be a user"), "cau"),
            serial=ca.issue(make(f"{name}.issued.example.com")).serial_number,
        )

    def writes(self) -> list[dict[str, str]]:
        """Requests that do something, when they come from somebody who may."""
        template = make("evil.example.com").csr_pem.decode()
        revocation = message.null({"revoke_serial": self.serial}).dump().decode()
        nothing = {"type": "", "body": ""}
        as_json, as_csr = {"type": "application/json"}, {"type": "application/pkcs10", "body": template}
        return [
            {"method": "PUT", "path": f"/cau/crt/{self.user_request}", **nothing},
            {"method": "PUT", "path": f"/cas/crt/{self.to_sign}", **as_csr},
            {"method": "PUT", "path": "/cas/crt/revoke", **as_json, "body": revocation},
            {"method": "DELETE", "path": f"/cas/csr/{self.to_reject}", **nothing},
            {"method": "PUT", "path": "/cas/csr", **as_csr},
        ]

    def reads(self) -> list[str]:
        """What only a user, or only who knows an id, can read; and pages."""
        return ["/cas/csr", "/cau/csr", "/cas/crt", f"/cas/csr/{self.to_sign}", "/cas/crl", "/cors", *CONSOLE]

    def target(self, ca: Authority, page: str) -> dict[str, Any]:
        return {
            "ca": ca.origin,
            "http": ca.http_origin,
            "reads": self.reads(),
            "writes": self.writes(),
            "consent": {"origin": page, "return": f"{page}/", "grant": "1"},
        }


CONSOLE = ["/ui/", "/ui/requests", "/ui/consents"]


@pytest.fixture(scope="module")
def prey(ca: Authority) -> Prey:
    return Prey.of(ca, "prey")


def _open(browser: WebDriver, url: str) -> None:
    browser.get(url)


def _open_frame(attributes: str) -> Callable[[WebDriver, str], None]:
    """In a frame of the page, whose origin is ``null``."""

    def opened(browser: WebDriver, url: str) -> None:
        browser.get(url)
        browser.execute_script(f"document.body.innerHTML = `<iframe {attributes}></iframe>`")
        browser.switch_to.frame(0)

    return opened


SANDBOX = 'sandbox="allow-scripts allow-forms allow-popups"'
PAGES: Mapping[str, tuple[str, str, Callable[[WebDriver, str], None]]] = {
    # host, scheme, how it is opened
    "another site": (EVIL, "https", _open),
    "another site, over HTTP": (EVIL, "http", _open),
    # Cookies of any kind come along.
    "another host of the same site": (SIBLING, "https", _open),
    "another port of the same host": (HOST, "https", _open),
    "a frame without an origin": (EVIL, "https", _open_frame(f'{SANDBOX} srcdoc="<body>"')),
}


@pytest.mark.parametrize("page", PAGES)
def test_every_attempt(browser: WebDriver, ca: Authority, others: Sites, prey: Prey, page: str) -> None:
    """From each kind of page, in the browser of a user who has let another site use the certificate."""
    host, scheme, opened = PAGES[page]
    allow(browser, ca, others.url(APPLICATION))
    before, asked = ca.everything(), len(ca.asked())
    target = prey.target(ca, others.origin(host, scheme))
    opened(browser, others.url(host, scheme=scheme))
    assert browser.execute_async_script(ATTEMPT, target) == []
    tried = {("POST", "/cors")}
    for write in target["writes"]:
        tried |= {(write["method"], write["path"]), ("POST", write["path"])}
        tried.add(("POST", f"{write['path']}?_method={write['method']}"))
    wait(browser).until(lambda _: tried <= {(one.method, one.path) for one in ca.asked()[asked:]})
    assert ca.everything() == before

    # They were there, with the user's certificate, and the server has refused them.
    arrived = ca.asked()[asked:]
    assert {one.path for one in arrived if one.user != "-"} >= {"/cas/csr", "/cau/csr", "/cas/crt"}
    assert {one.status for one in arrived if one.method in ("DELETE", "POST", "PUT")} <= REFUSED


def test_the_same_requests_from_an_allowed_page(browser: WebDriver, ca: Authority, others: Sites) -> None:
    """They do what they say: what the other pages lack is the user's consent, nothing else."""
    prey = Prey.of(ca, "allowed")
    allow(browser, ca, others.url(APPLICATION))
    for write in prey.writes():
        answer = fetch(browser, ca.origin + write["path"], write["method"], write["body"], write["type"])
        assert answer is not None
        assert answer.status in (201, 204), write
    assert prey.to_sign not in ca.pending()
    assert prey.to_reject not in ca.pending()
    assert prey.user_request not in ca.pending("cau")
    assert ca.is_revoked(prey.serial)


def test_a_page_that_somebody_put_into_plain_http(browser: WebDriver, ca: Authority, prey: Prey) -> None:
    """Who is on the way can answer for http://ca.test, and run scripts there. The user's certificate is for HTTPS alone."""
    before = ca.everything()
    browser.get(ca.http_origin + "/cas")
    # Over HTTP it may do what everybody may.
    target = {**prey.target(ca, ca.http_origin), "http": ca.origin}
    assert browser.execute_async_script(ATTEMPT, target) == []
    assert ca.everything() == before


@pytest.mark.parametrize("path", [*CONSOLE, "/cors?origin={origin}&return={origin}/"])
def test_in_a_frame(browser: WebDriver, ca: Authority, others: Sites, path: str) -> None:
    """Nothing is shown there, so nothing can be clicked at."""
    allow(browser, ca, others.url(APPLICATION))
    before, cookies = ca.everything(), cdp(browser, "Network.getAllCookies")
    url = ca.origin + path.format(origin=quote(others.origin(EVIL), safe=""))
    # On the same site, where nothing keeps the cookies back.
    for host in (EVIL, SIBLING):
        for frame in (f'<iframe src="{url}">', f'<object data="{url}">', f'<embed src="{url}">'):
            others.put("/frame", f'<body style="margin:0">{frame.replace(" ", " width=900 height=700 ", 1)}')
            browser.get(others.url(host, "/frame"))
            for x, y in ((100, 300), (450, 350), (300, 500)):
                click_at(browser, x, y)
            assert_nothing_framed(browser, url)
    assert ca.everything() == before
    assert cdp(browser, "Network.getAllCookies") == cookies


def assert_nothing_framed(browser: WebDriver, url: str) -> None:
    """Where the page would be there is the browser's own, which says that it was refused."""
    tree = cdp(browser, "Page.getFrameTree")["frameTree"]
    for child in tree.get("childFrames", []):
        frame = child["frame"]
        assert frame["url"].startswith(("chrome-error:", "about:blank")), frame
    assert url not in {child["frame"]["url"] for child in tree.get("childFrames", [])}


@pytest.mark.parametrize("path", CONSOLE)
def test_in_a_window(browser: WebDriver, ca: Authority, others: Sites, path: str) -> None:
    """Who opens a page gets no hold of it, and the page none of who opened it."""
    browser.get(others.url(EVIL))
    browser.execute_script("window.other = window.open(arguments[0])", ca.origin + path)
    evil, opened = browser.window_handles
    browser.switch_to.window(opened)
    wait(browser).until(url_contains(path))
    assert browser.execute_script("return [window.opener, window.name]") == [None, ""]
    browser.switch_to.window(evil)
    assert browser.execute_script("return window.other.closed && window.other.length === 0")


def test_links(browser: WebDriver, ca: Authority, others: Sites, prey: Prey) -> None:
    """A link, or a form that is one, is a GET of the user's: it shows something to the user, and does nothing."""
    before = ca.everything()
    fields = f"?_method=DELETE&grant=1&origin={others.origin(EVIL)}&return={others.origin(EVIL)}/"
    for path in (*prey.reads(), *(write["path"] for write in prey.writes())):
        browser.get(others.url(EVIL))
        browser.execute_script("location.href = arguments[0]", ca.origin + path + fields)
        wait(browser).until(lambda _, path=path: any(one.path == path + fields for one in ca.asked()))
    assert ca.everything() == before
    assert cdp(browser, "Network.getAllCookies")["cookies"] == []


@pytest.mark.parametrize("seconds", [0, 1.5])
def test_clicks_that_were_meant_for_another_page(
    browser: WebDriver, ca: Authority, others: Sites, prey: Prey, seconds: float
) -> None:
    """A page has its user click twice, and is gone after the first: what then is under the pointer takes no click yet,
    whether it has just appeared or was there for long.
    """
    before = ca.everything()
    origin = others.origin(EVIL)
    consent = f"/cors?origin={quote(origin, safe='')}&return={quote(origin + '/', safe='')}"
    for path, button in (
        (consent, "button[name=grant][value='1']"),
        (f"/ui/cau/requests/{prey.user_request}", f"form[data-url='/cau/crt/{prey.user_request}'] button"),
    ):
        browser.get(ca.origin + path)
        found = browser.find_element(By.CSS_SELECTOR, button)
        x, y = browser.execute_script(MIDDLE, found)
        wait(browser).until(element_to_be_clickable(found))
        cdp(browser, "Input.dispatchMouseEvent", type="mouseMoved", x=-9, y=-9)  # elsewhere
        time.sleep(seconds)
        click_at(browser, x, y)
        time.sleep(0.5)  # it would do something by then
        assert browser.current_url == ca.origin + path
    assert cdp(browser, "Network.getAllCookies")["cookies"] == []
    assert ca.everything() == before
