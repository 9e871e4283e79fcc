"""The buttons of the console, as a user presses them, and what the page says then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import (
    element_to_be_clickable,
    invisibility_of_element_located,
    visibility_of_element_located,
)

from .chromium import cdp, wait
from .consenting import press

# Where to click or tap, once it is in the middle of the window.
MIDDLE = """
arguments[0].scrollIntoView({ block: "center", behavior: "instant" });
const { left, top, width, height } = arguments[0].getBoundingClientRect();
return [left + width / 2, top + height / 2];
"""


def sign(browser: WebDriver) -> None:
    """The one button that acts without another question."""
    press(browser, "main form.act > button.strong")


def open_dialog(browser: WebDriver, name: str) -> WebElement:
    """The question before what cannot be undone."""
    wait(browser).until(element_to_be_clickable((By.CSS_SELECTOR, f"[data-opens={name}]"))).click()
    return wait(browser).until(visibility_of_element_located((By.ID, name)))


def cancel(browser: WebDriver, name: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"#{name} [data-closes]").click()
    wait(browser).until(invisibility_of_element_located((By.ID, name)))


def confirm(browser: WebDriver, name: str) -> None:
    press(browser, f"#{name} form.act > button")


@contextlib.contextmanager
def touched(browser: WebDriver) -> Iterator[None]:
    """A finger instead of a pointer."""
    cdp(browser, "Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
    try:
        yield
    finally:
        cdp(browser, "Emulation.setTouchEmulationEnabled", enabled=False)


def tap(browser: WebDriver, button: WebElement) -> None:
    """With a finger, as soon as it can have been seen."""
    wait(browser).until(
        lambda _: button.is_enabled() and button.value_of_css_property("pointer-events") != "none"
    )
    x, y = browser.execute_script(MIDDLE, button)
    cdp(browser, "Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    cdp(browser, "Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])


def outcome(browser: WebDriver) -> str:
    """What the page says when it is done. AssertionError if it was refused."""
    said = _said(browser)
    assert said.get_attribute("id") == "outcome", said.text
    return said.text


def refusal(browser: WebDriver) -> str:
    """Why it was not done. AssertionError if it was."""
    said = _said(browser)
    assert said.get_attribute("id") == "failure", said.text
    return said.text


def _said(browser: WebDriver) -> WebElement:
    def found(_: WebDriver) -> WebElement | None:
        told = browser.find_elements(By.CSS_SELECTOR, "#outcome:not([hidden]), #failure:not([hidden])")
        return told[0] if told else None

    return wait(browser).until(found)


def tables(browser: WebDriver) -> list[list[list[str]]]:
    """The text of all tables: their rows, and of these the cells."""
    return [
        [
            [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
            for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
        ]
        for table in browser.find_elements(By.CSS_SELECTOR, "main table")
    ]
