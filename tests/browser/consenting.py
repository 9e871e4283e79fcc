"""The way of a user who lets the pages of an origin use the certificate, or does not."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import presence_of_element_located, url_to_be

from .authority import Authority
from .chromium import wait


def challenge(ca: Authority, origin: str) -> str:
    """The URI template that the server answers pages of this origin with."""
    answer = ca.client.get("/cas/crl", {"Origin": origin}, tls=True).expect(401)
    scheme, _, quoted = answer.headers["WWW-Authenticate"].partition(" url=")
    assert scheme == "cors"
    return unquote(quoted)


def ask(browser: WebDriver, ca: Authority, return_to: str) -> None:
    """Where an application sends its user to be asked, and how."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(return_to))
    url = challenge(ca, origin).replace("{&return}", f"&return={quote(return_to, safe='')}")
    browser.execute_script("location.href = arguments[0]", url)


def answer(browser: WebDriver, *, allowed: bool) -> None:
    """Press the button, as soon as it can be pressed."""
    press(browser, f"button[name=grant][value='{int(allowed)}']")


def press(browser: WebDriver, selector: str) -> None:
    """Go there with the pointer, and click: what has only just come under it takes no click, see ``console.css``."""
    button = browser.find_element(By.CSS_SELECTOR, selector)
    ActionChains(browser).move_to_element(button).perform()
    wait(browser).until(lambda _: button.value_of_css_property("pointer-events") != "none")
    ActionChains(browser).click().perform()


def allow(browser: WebDriver, ca: Authority, page: str) -> None:
    """The user comes from the page, agrees, and is back there."""
    decide(browser, ca, page, allowed=True)


def decide(browser: WebDriver, ca: Authority, page: str, *, allowed: bool) -> None:
    """The user comes from the page, answers, and is back there."""
    browser.get(page)
    ask(browser, ca, page)
    wait(browser).until(presence_of_element_located((By.NAME, "grant")))
    answer(browser, allowed=allowed)
    wait(browser).until(url_to_be(page))
