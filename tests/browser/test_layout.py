"""Every page in windows of all widths, with the keyboard alone, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from caucase.server.cors import Kind
from caucase.server.router import Router
from caucase.server.routes import ROUTES

from .authority import Authority
from .pages import NAMES, Page
from .pictures import WIDTHS, window_of

ASSETS = ("console.css", "console.js", "icon.svg")
STATUS = re.compile("the server responded with a status of 4")
Shown = Callable[[str], tuple[Page, WebDriver]]
# How far from now a moment was when the page was made.
_FROM_NOW = re.compile(r"\((?:just now|in \d+ \w+|\d+ \w+ ago)\)")

# What reaches beyond the window, but for what scrolls by itself.
_BEYOND = """
const width = document.documentElement.clientWidth;
const scrolls = (one) => one.closest("pre") && getComputedStyle(one.closest("pre")).overflowX !== "visible";
const hidden = (one) => one.closest(".unseen, .skip, thead") || !one.checkVisibility();
return [...document.querySelectorAll("body *")].filter((one) =>
  !scrolls(one) && !hidden(one) && one.getBoundingClientRect().right > width + 1).map((one) => one.outerHTML.slice(0, 200));
"""
# WCAG 2.2, 2.5.8: 24 CSS pixels both ways, but for links within a sentence.
_SMALL = """
const all = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary, label")];
return all.filter((one) => one.checkVisibility()).filter((one) => {
  const { width, height } = (one.closest("label") || one).getBoundingClientRect();
  const inSentence = one.tagName === "A" && getComputedStyle(one).display === "inline";
  return !inSentence && !one.matches(".skip") && (width < 24 || height < 24);
}).map((one) => one.outerHTML.slice(0, 200));
"""
# 44 is what fingers need, for what acts.
_NARROW_BUTTONS = """
return [...document.querySelectorAll("button, .button")].filter((one) => one.checkVisibility()).filter((one) => {
  const { width, height } = one.getBoundingClientRect();
  return width < 44 || height < 44;
}).map((one) => one.outerHTML.slice(0, 200));
"""
_REACHABLE = """
const open = document.querySelector("dialog[open]") || document;
const all = "a[href], button:enabled, input:enabled:not([type=hidden]), select, textarea, summary, [tabindex='0']";
return [...open.querySelectorAll(all)].filter((one) => one.checkVisibility()).length;
"""
_FOCUS = """
const one = document.activeElement;
if (one === document.body || one === document.documentElement) return null;
const { top, bottom, left, right } = one.getBoundingClientRect();
const style = getComputedStyle(one);
const seen = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
return [one.outerHTML.slice(0, 200), seen && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
"""


def test_every_route_is_there(shown: Shown) -> None:
    """What follows is about every page that there is."""
    router = Router(ROUTES)
    paths = {shown(name)[0].path.partition("?")[0] for name in NAMES}
    looked_at = {router.match("GET", path).route for path in paths}
    every = {one for one in ROUTES if one.kind is Kind.PAGE and one.method == "GET"}
    assert {one.path for one in every - looked_at} == {
        "/ui",
        "/ui/static/{name}",
    }  # the way to one, and what belongs to them


@pytest.mark.parametrize("name", NAMES)
def test_every_width(shown: Shown, ca: Authority, name: str) -> None:
    """Nothing has to be scrolled sideways, and everything can be hit with a finger."""
    page, browser = shown(name)
    for width in WIDTHS:
        with window_of(browser, width):
            page.open(browser, ca)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert browser.execute_script(_BEYOND) == []
            assert browser.execute_script(_SMALL) == []
            assert browser.execute_script(_NARROW_BUTTONS) == []
    # Nor has the browser anything to complain of: a policy that was violated, a file that is missing, a script that failed.
    # A page that says what is wrong has a status that does, too.
    complaints = [one["message"] for one in browser.get_log("browser")]
    assert [one for one in complaints if not STATUS.search(one)] == []
    is_problem = name.startswith("problem-") or name == "changes-mistakes"
    assert len(complaints) == (len(WIDTHS) if is_problem else 0)


@pytest.mark.parametrize("name", NAMES)
def test_keyboard(shown: Shown, ca: Authority, name: str) -> None:
    """Tab leads through everything that can be used, once each, and shows where it is."""
    page, browser = shown(name)
    page.open(browser, ca)
    expected = browser.execute_script(_REACHABLE)
    reached: list[str] = []
    if browser.find_elements(By.CSS_SELECTOR, "dialog[open]"):
        # It has the focus, which stays there.
        reached.append(browser.execute_script(_FOCUS)[0])
    else:
        browser.execute_script("document.activeElement.blur()")
    for _ in range(expected + 2):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.execute_script(_FOCUS)
        if focused is None:
            break
        html, is_seen = focused
        assert is_seen, html
        reached.append(html)
    assert len(reached) == expected


def test_skipping_the_navigation(browser: WebDriver, ca: Authority) -> None:
    """The first thing that Tab leads to is a way past what every page has."""
    browser.get(ca.origin + "/ui/")
    browser.switch_to.active_element.send_keys(Keys.TAB)
    first = browser.switch_to.active_element
    assert first.text == "Skip to the content"
    first.send_keys(Keys.ENTER)
    browser.switch_to.active_element.send_keys(Keys.TAB)
    main = browser.find_element(By.TAG_NAME, "main")
    assert browser.execute_script("return arguments[0].contains(document.activeElement)", main)


# Dialogs open by a script alone; the answers of "consents" are given by one of the test's.
READ_WITHOUT = [name for name in NAMES if name not in ("reject", "revoke", "consents")]


def test_without_scripts(shown: Shown, scriptless: WebDriver, ca: Authority) -> None:
    """Everything can be read; what cannot be done says so; and the forms of the consent page need none at all."""
    for name in READ_WITHOUT:
        page, browser = shown(name)
        if not page.for_user:
            continue
        page.open(browser, ca)
        page.open(scriptless, ca)
        there, here = (_text(one) for one in (browser, scriptless))
        assert [line for line in there if line not in here] == [], name
        added = [line for line in here if line not in there]
        acts = scriptless.find_elements(By.CSS_SELECTOR, "[data-script]")
        assert added == (
            ["Without JavaScript you can read everything here, and change nothing."] if acts else []
        )
        assert all(not one.is_enabled() for one in acts)


def _text(browser: WebDriver) -> list[str]:
    """The lines that can be read, without what depends on the minute in which the page was made."""
    lines = browser.find_element(By.TAG_NAME, "body").text.splitlines()
    return [_FROM_NOW.sub("", line) for line in lines if "Made at" not in line]


def test_it_is_small(shown: Shown, ca: Authority) -> None:
    """Under 60 KiB in all: the largest page and whatever it loads."""
    assets = sum(len(ca.ask("GET", f"/ui/static/{name}").body) for name in ASSETS)
    largest = max(len(ca.ask("GET", shown(name)[0].path).body) for name in NAMES)
    assert assets + largest < 60 * 1024
