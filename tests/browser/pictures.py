"""What a page looks like in windows of several widths."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from .chromium import cdp

WIDTHS = (320, 768, 1440)
HIGHEST = 1000
_HEIGHTS = {320: 640, 768: 1024, 1440: 900}


@contextlib.contextmanager
def window_of(driver: WebDriver, width: int) -> Iterator[None]:
    """The pages are shown as in a window, or on a telephone, so many CSS pixels wide."""
    mobile = width < 500
    cdp(
        driver,
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=_HEIGHTS[width],
        deviceScaleFactor=1,
        mobile=mobile,
    )
    try:
        yield
    finally:
        cdp(driver, "Emulation.clearDeviceMetricsOverride")


def picture(driver: WebDriver) -> bytes:
    """The page that is open, PNG: its beginning, or what is in the window where a dialog is open."""
    if driver.find_elements(By.CSS_SELECTOR, "dialog[open]"):
        return base64.b64decode(cdp(driver, "Page.captureScreenshot", format="png")["data"])
    size = cdp(driver, "Page.getLayoutMetrics")["cssContentSize"]
    height = min(size["height"], HIGHEST)
    clip = {"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1}
    shot = cdp(driver, "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    return base64.b64decode(shot["data"])
