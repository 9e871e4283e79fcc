"""A page of another origin asks for the user's consent, gets it or not, and loses it: in a real browser, with its cookies."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import url_contains, url_to_be

from caucase.core import message
from caucase.server.cors import COOKIE
from tests.server.material import make

from .authority import USER, Authority
from .chromium import cdp, leaving, wait
from .consenting import allow, ask, decide, press
from .fetching import fetch
from .sites import APPLICATION, EVIL, SIBLING, Sites

LIST = "/ui/consents"


@pytest.fixture
def page(others: Sites) -> str:
    """A page of the application, to which its user comes back."""
    return others.url(APPLICATION, "/work?list=1")


def cookie(browser: WebDriver) -> dict[str, str] | None:
    """The consent cookie of the server."""
    found = [one for one in cdp(browser, "Network.getAllCookies")["cookies"] if one["name"] == COOKIE]
    return found[0] if found else None


def may_read(browser: WebDriver, ca: Authority) -> bool:
    """Whether the page that is open may use the user's rights; if not, then the server has refused it."""
    answer = fetch(browser, ca.origin + "/cas/csr")
    assert answer is None or answer.status == 200
    return answer is not None


def test_granted(browser: WebDriver, ca: Authority, others: Sites, page: str) -> None:
    """The page asks, the user reads who asks and agrees, and the page does a user's work."""
    browser.get(page)
    assert not may_read(browser, ca)
    # By this it can tell that it is consent that is missing, not the network.
    everybody = fetch(browser, ca.origin + "/")
    assert everybody is not None
    assert "cas" in everybody.json()["_links"]["getCASHAL"]["href"]
    ask(browser, ca, page)
    wait(browser).until(url_contains("/cors?"))
    text = browser.find_element(By.TAG_NAME, "main").text
    for word in (others.origin(APPLICATION), ca.origin.removeprefix("https://"), USER, "365 days"):
        assert word in text
    press(browser, "button[name=grant][value='1']")
    wait(browser).until(url_to_be(page))

    assert may_read(browser, ca)
    made = make("www.example.com")
    submitted = fetch(browser, ca.origin + "/cas/csr", "PUT", made.csr_pem.decode(), "application/pkcs10")
    assert submitted is not None
    request_id = submitted.headers["location"]
    assert request_id in ca.pending()
    signed = fetch(browser, f"{ca.origin}/cas/crt/{request_id}", "PUT")
    assert signed is not None
    assert signed.status == 204
    assert request_id not in ca.pending()
    rejected = fetch(browser, f"{ca.origin}/cas/csr/{ca.submit(make('other.example.com'))}", "DELETE")
    assert rejected is not None
    assert rejected.status == 204
    serial = ca.issue(make("revoked.example.com")).serial_number
    null = message.null({"revoke_serial": serial}).dump().decode()
    revoked = fetch(browser, f"{ca.origin}/cas/crt/revoke", "PUT", null, "application/json")
    assert revoked is not None
    assert ca.is_revoked(serial)

    browser.get(others.url(EVIL))
    assert not may_read(browser, ca)


def test_the_cookie(browser: WebDriver, ca: Authority, page: str) -> None:
    """No script can read it, and it goes over HTTPS alone, to all of the server, from pages of other sites."""
    allow(browser, ca, page)
    found = cookie(browser)
    assert found is not None
    assert (found["domain"], found["path"]) == ("ca.test", "/")
    assert (found["httpOnly"], found["secure"], found["sameSite"]) == (True, True, "None")
    assert found["expires"] > 0


def test_denied(browser: WebDriver, ca: Authority, page: str) -> None:
    decide(browser, ca, page, allowed=False)
    asked = len(ca.asked())
    assert not may_read(browser, ca)
    assert [one.status for one in ca.asked()[asked:]] == ["403"]
    # Who has changed their mind is told what they said before.
    ask(browser, ca, page)
    wait(browser).until(url_contains("/cors?"))
    assert "denied" in browser.find_element(By.TAG_NAME, "main").text
    press(browser, "button[name=grant][value='1']")
    wait(browser).until(url_to_be(page))
    assert may_read(browser, ca)


def test_taken_back(browser: WebDriver, ca: Authority, others: Sites, page: str) -> None:
    """The list of answers, and the end of one; the other stays."""
    other = others.url(EVIL, "/x")
    allow(browser, ca, page)
    decide(browser, ca, other, allowed=False)
    browser.get(ca.origin + LIST)
    rows = {
        row.find_element(By.TAG_NAME, "th").text: row
        for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")
    }
    assert set(rows) == {others.origin(APPLICATION), others.origin(EVIL)}
    assert "Allowed" in rows[others.origin(APPLICATION)].text
    assert "Denied" in rows[others.origin(EVIL)].text
    button = rows[others.origin(APPLICATION)].find_element(By.TAG_NAME, "button")
    assert button.accessible_name == f"Take back of {others.origin(APPLICATION)}"
    with leaving(browser):
        button.click()
    assert browser.current_url == ca.origin + LIST
    assert [row.text for row in browser.find_elements(By.CSS_SELECTOR, "tbody th")] == [others.origin(EVIL)]

    browser.get(page)
    asked = len(ca.asked())
    assert not may_read(browser, ca)
    assert [one.status for one in ca.asked()[asked:]] == ["401"]
    allow(browser, ca, page)
    assert may_read(browser, ca)


def forged(value: str, origin: str) -> str:
    """The answer for one origin, passed off as one for another."""
    [token] = json.loads(unquote(value)).values()
    return quote(json.dumps({origin: token}), safe="")


@pytest.mark.parametrize("damage", ["cut off", "a letter changed", "nonsense", "of another origin"])
def test_a_damaged_cookie(browser: WebDriver, ca: Authority, others: Sites, page: str, damage: str) -> None:
    """It is worth nothing, it is cleared away, and the user is asked again."""
    allow(browser, ca, others.url(EVIL, "/x") if damage == "of another origin" else page)
    good = cookie(browser)
    assert good is not None
    value = good["value"]
    bad = {
        "cut off": value[: len(value) // 2],
        "a letter changed": value.replace(value[-12], "A" if value[-12] != "A" else "B"),
        "nonsense": "nonsense",
        "of another origin": forged(value, others.origin(APPLICATION)),
    }[damage]
    assert bad != value
    cdp(browser, "Network.setCookie", **{**_settable(good), "value": bad})
    browser.get(page)
    asked = len(ca.asked())
    assert not may_read(browser, ca)
    assert [one.status for one in ca.asked()[asked:]] == ["401"]
    assert cookie(browser) is None
    allow(browser, ca, page)
    assert may_read(browser, ca)


def _settable(found: dict[str, str]) -> dict[str, str]:
    names = ("name", "domain", "path", "secure", "httpOnly", "sameSite", "expires")
    return {name: found[name] for name in names}


def test_third_party_cookies_off(strict: WebDriver, ca: Authority, page: str) -> None:
    """The answer does not reach the server with the page's requests. Nothing breaks, and the page that asks again says why."""
    allow(strict, ca, page)
    assert cookie(strict) is not None
    asked = len(ca.asked())
    assert not may_read(strict, ca)
    assert [one.status for one in ca.asked()[asked:]] == ["401"]
    ask(strict, ca, page)
    wait(strict).until(url_contains("/cors?"))
    text = strict.find_element(By.TAG_NAME, "main").text
    assert "third-party cookies" in text
    # It knows of the former answer: that is the server's own page.
    assert "You have allowed this" in text


def test_third_party_cookies_off_on_the_same_site(strict: WebDriver, ca: Authority, others: Sites) -> None:
    """app.ca.test and ca.test are one site, and such cookies not third-party ones: that is the way out."""
    allow(strict, ca, others.url(SIBLING))
    assert may_read(strict, ca)


def test_without_a_certificate(stranger: WebDriver, ca: Authority, page: str) -> None:
    """A stranger may agree, too: then the page may do what strangers may."""
    stranger.get(page)
    ask(stranger, ca, page)
    wait(stranger).until(url_contains("/cors?"))
    assert "no user's certificate" in stranger.find_element(By.TAG_NAME, "main").text
    press(stranger, "button[name=grant][value='1']")
    wait(stranger).until(url_to_be(page))
    answer = fetch(stranger, ca.origin + "/cas/csr")
    assert answer is not None
    assert answer.status == 401
    lists = fetch(stranger, ca.origin + "/cas/crl")
    assert lists is not None
    assert lists.status == 200


def test_pages_over_http_are_told_apart(browser: WebDriver, ca: Authority, others: Sites) -> None:
    """They may be anybody's on the way, and that is said; what was allowed to the one is not allowed to the other."""
    clear = others.url(APPLICATION, "/work", scheme="http")
    browser.get(clear)
    ask(browser, ca, clear)
    wait(browser).until(url_contains("/cors?"))
    assert "without encryption" in browser.find_element(By.TAG_NAME, "main").text
    press(browser, "button[name=grant][value='1']")
    wait(browser).until(url_to_be(clear))
    assert others.origin(APPLICATION, "http") in unquote(str(cookie(browser)))
    browser.get(others.url(APPLICATION))
    assert not may_read(browser, ca)


def test_with_the_keyboard_alone(browser: WebDriver, ca: Authority, page: str) -> None:
    """Tab leads to every link and button, in the order of reading, and Enter presses what has the focus."""
    browser.get(page)
    ask(browser, ca, page)
    wait(browser).until(url_contains("/cors?"))
    reached = []
    for _ in range(10):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.switch_to.active_element.accessible_name)
        if reached[-1] == "Allow":
            break
    assert reached[-2:] == ["Deny", "Allow"]
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(browser).until(url_to_be(page))
    assert may_read(browser, ca)
