"""Whatever strangers write into requests does nothing in the browser, hides nothing, and moves nothing.

That every page escapes it is tested in tests/server/pages; here it is what a real browser makes of the pages.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.server.pages.test_hostile import HOSTILE, LONG

from .acting import outcome, sign
from .authority import Authority, pkcs12_file
from .chromium import Profile, chromium
from .material import request
from .pictures import window_of

PAYLOADS = {
    **HOSTILE,
    "image": '<img src="/ui/static/icon.svg" onload="alert(1)" onerror="alert(1)">',
    "style": "<style>body{display:none}</style>",
    "textarea": '</textarea><input autofocus onfocus="alert(1)">',
    "title": "</title><meta http-equiv=refresh content='0;url=https://evil.test/'>",
    "long": LONG,
    "long without a break": "a" * 10_240,
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 (www.example.com)",
}
# What of them can be an alternative name, which is ASCII.
NAMES = [text for text in PAYLOADS.values() if text.isascii() and len(text) < 1000]

# For each piece of strangers' text: where its ASCII characters are, by the line that they are in.
_ORDER = r"""
const backwards = [];
for (const piece of document.querySelectorAll("bdi")) {
  // What is written from right to left is shown so, and moves nothing outside.
  if (/[\u0590-\u08ff]/.test(piece.textContent) && getComputedStyle(piece).unicodeBidi === "isolate") continue;
  for (const node of piece.childNodes) {
    if (node.nodeType !== Node.TEXT_NODE) continue;
    let before = null;
    for (let i = 0; i < node.length && i < 400; i++) {
      if (!/[!-~]/.test(node.data[i])) { before = null; continue; }
      const range = document.createRange();
      range.setStart(node, i);
      range.setEnd(node, i + 1);
      const { left, top, width } = range.getBoundingClientRect();
      if (width && before && Math.abs(before.top - top) < 2 && left < before.left) backwards.push(node.data);
      before = width ? { left, top } : null;
    }
  }
}
return backwards;
"""
_UNSEEN = r"""
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\u3164\ufeff]/;
const values = [...document.querySelectorAll("input, textarea")].map((one) => one.value);
return [document.documentElement.textContent, document.title, ...values].filter((text) => unseen.test(text.replaceAll("\r", "")));
"""
_FOREIGN = """
const ours = new Set(["/ui/static/console.js", "/ui/static/console.css", "/ui/static/icon.svg"]);
const found = [...document.querySelectorAll("script, link, img, style, iframe, object, embed, base, meta[http-equiv]")];
const handlers = [...document.querySelectorAll("*")].filter((one) =>
  one.getAttributeNames().some((name) => name.startsWith("on") || name === "style"));
return [
  ...found.filter((one) => !ours.has(one.getAttribute("src") || one.getAttribute("href"))),
  ...handlers,
  ...[...document.links].filter((one) => one.origin !== location.origin),
].map((one) => one.outerHTML);
"""


def assert_harmless(browser: WebDriver) -> None:
    """Nothing in it but what is ours, nothing unseen, and nothing in another order than it was written. A dialog would be
    an exception of Selenium's.
    """
    assert browser.execute_script(_FOREIGN) == []
    assert browser.execute_script(_UNSEEN) == []
    assert browser.execute_script(_ORDER) == []
    # No more has been tried than was done: not one violation of the content security policy, not one failed script.
    assert browser.get_log("browser") == []


@pytest.fixture(scope="module")
def waiting(ca: Authority) -> dict[str, str]:
    """A request for each of them, by its name: its id."""
    found = {}
    for name, text in PAYLOADS.items():
        subject = [(NameOID.ORGANIZATION_NAME, text), (NameOID.EMAIL_ADDRESS, "x@example.com")]
        found[name] = ca.submit(request(text[:64], subject=subject))
    names = [*map(x509.DNSName, NAMES), *map(x509.UniformResourceIdentifier, NAMES)]
    found["names"] = ca.submit(request("names", names))
    many = [x509.DNSName(f"w{number}.example.com") for number in range(500)]
    found["many names"] = ca.submit(request("many", many))
    return found


@pytest.fixture(scope="module")
def issued(ca: Authority) -> list[int]:
    """Certificates of this kind."""
    long = [(NameOID.ORGANIZATION_NAME, LONG)]
    made = [request(text[:64], subject=long if text == LONG else ()) for text in PAYLOADS.values()]
    made.append(request("names", [x509.DNSName(name) for name in NAMES]))
    return [ca.issue(one).serial_number for one in made]


@pytest.mark.parametrize("page", ["requests", "changes"])
def test_requests(browser: WebDriver, ca: Authority, waiting: dict[str, str], page: str) -> None:
    with window_of(browser, 320):
        for name, request_id in waiting.items():
            browser.get(f"{ca.origin}/ui/cas/{page}/{request_id}")
            assert_harmless(browser)
            assert _overflow(browser) == 0, name


@pytest.mark.parametrize("path", ["/ui/requests", "/ui/cas/issued", "/ui/cas/record"])
@pytest.mark.parametrize("width", [320, 1440])
def test_lists(
    browser: WebDriver, ca: Authority, waiting: dict[str, str], issued: list[int], path: str, width: int
) -> None:
    with window_of(browser, width):
        browser.get(ca.origin + path)
        assert_harmless(browser)
        assert _overflow(browser) == 0
        # Each is a row among others, and none is higher than a screen.
        heights = browser.execute_script(
            "return [...document.querySelectorAll('tbody tr')].map((one) => one.offsetHeight)"
        )
        assert len(heights) >= len(PAYLOADS)
        assert max(heights) < 600


def test_certificates(browser: WebDriver, ca: Authority, issued: list[int]) -> None:
    with window_of(browser, 320):
        for serial in issued:
            browser.get(f"{ca.origin}/ui/cas/issued/{serial:x}")
            assert_harmless(browser)
            assert _overflow(browser) == 0


def test_it_can_be_read(browser: WebDriver, ca: Authority, waiting: dict[str, str]) -> None:
    """What can be seen is shown as it was written; what cannot is named; and what is long is all there."""
    browser.get(f"{ca.origin}/ui/cas/requests/{waiting['html']}")
    assert PAYLOADS["html"] in browser.find_element(By.TAG_NAME, "main").text
    browser.get(f"{ca.origin}/ui/cas/requests/{waiting['override']}")
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "moc.elgoogU+202Ewww" in text.replace("\n", "")
    assert "RIGHT-TO-LEFT OVERRIDE" in text
    browser.get(f"{ca.origin}/ui/cas/requests/{waiting['nul']}")
    assert "wwwU+0000.example" in browser.find_element(By.TAG_NAME, "main").text.replace("\n", "")
    browser.get(f"{ca.origin}/ui/cas/requests/{waiting['long']}")
    folded = browser.find_element(By.CSS_SELECTOR, "details.value")
    assert LONG not in folded.text
    folded.find_element(By.TAG_NAME, "summary").click()
    assert LONG in folded.text


@pytest.mark.parametrize("name", ["html", "long", "nul", "newlines", "override"])
def test_it_can_be_signed(browser: WebDriver, ca: Authority, name: str) -> None:
    """And it is what was shown that is signed."""
    text = PAYLOADS[name]
    request_id = ca.submit(request("signed", subject=[(NameOID.ORGANIZATION_NAME, text)]))
    browser.get(f"{ca.origin}/ui/cas/requests/{request_id}")
    sign(browser)
    outcome(browser)
    pem = ca.client.get(f"/cas/crt/{request_id}").expect(200).body
    subject = x509.load_pem_x509_certificate(pem).subject
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == text


def test_a_hostile_user(ca: Authority, tmp_path: Path) -> None:
    """Who is a user has a name, too, and it is on every page."""
    subject = [(NameOID.ORGANIZATIONAL_UNIT_NAME, LONG), (NameOID.ORGANIZATION_NAME, PAYLOADS["override"])]
    made = request(PAYLOADS["html"], subject=subject)
    request_id = ca.submit(made, "cau")
    ca.ask("PUT", f"/cau/crt/{request_id}").expect(204)
    pem = ca.client.get(f"/cau/crt/{request_id}").expect(200).body
    user = pkcs12_file(tmp_path / "hostile.p12", made.key, pem)
    folder = tmp_path / "browser"
    folder.mkdir()
    profile = Profile(hosts=ca.hosts, authorities=[ca.https_ca_pem], user=user, shown_to=[ca.origin])
    signed = ca.submit(request("signed by somebody strange"))
    consent = "/cors?origin=https://app.example.com&return=https://app.example.com/"
    with chromium(folder, profile) as theirs, window_of(theirs, 320):
        theirs.get(f"{ca.origin}/ui/cas/requests/{signed}")
        assert_harmless(theirs)
        sign(theirs)
        outcome(theirs)
        for path in ("/ui/", "/ui/cas/record", "/ui/cas/issued", "/ui/cau/issued", "/ui/consents", consent):
            theirs.get(ca.origin + path)
            assert_harmless(theirs)
            assert _overflow(theirs) == 0, path
            # As in RFC 4514, with a backslash before what is special there.
            assert r"CN=\<script\>alert(1)" in theirs.find_element(By.TAG_NAME, "body").text


def _overflow(browser: WebDriver) -> int:
    """CSS pixels by which the page is wider than the window."""
    return int(
        browser.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
    )
