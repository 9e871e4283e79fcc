"""Requests in the console of a user: read, signed, changed, rejected; each action in the browser, and seen at the server."""

from __future__ import annotations

import pytest
from cryptography import x509
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import (
    invisibility_of_element_located,
    visibility_of_element_located,
)

from tests.server.material import make

from .acting import cancel, confirm, open_dialog, outcome, refusal, sign, tables, tap, touched
from .authority import Authority
from .chromium import leaving, wait
from .material import request, usages
from .pictures import window_of


def issued(ca: Authority, request_id: str, context: str = "cas") -> x509.Certificate:
    return x509.load_pem_x509_certificate(ca.client.get(f"/{context}/crt/{request_id}").expect(200).body)


def open_request(browser: WebDriver, ca: Authority, request_id: str, context: str = "cas") -> None:
    browser.get(f"{ca.origin}/ui/{context}/requests/{request_id}")


def test_from_the_list_to_the_certificate(browser: WebDriver, ca: Authority) -> None:
    """The request is in the list with what it says; its page has a button; its owner has a certificate then."""
    request_id = ca.submit(
        request("list.example.com", [x509.DNSName("list.example.com"), x509.DNSName("l.example.com")])
    )
    browser.get(ca.origin + "/ui/requests")
    row = next(
        row for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr") if "list.example.com" in row.text
    )
    for word in ("Services (CAS)", "l.example.com", "P-256", "127.0.0.1"):
        assert word in row.text
    row.find_element(By.TAG_NAME, "a").click()
    wait(browser).until(lambda _: browser.current_url.endswith(f"/ui/cas/requests/{request_id}"))
    sign(browser)
    assert "Signed" in outcome(browser)
    assert browser.switch_to.active_element.get_attribute("id") == "outcome"
    certificate = issued(ca, request_id)
    assert certificate.subject.rfc4514_string() == "CN=list.example.com"
    assert request_id not in ca.pending()
    # There is nothing more to decide.
    assert not any(
        button.is_displayed() for button in browser.find_elements(By.CSS_SELECTOR, "[data-before]")
    )
    browser.get(ca.origin + "/ui/requests")
    assert "list.example.com" not in browser.find_element(By.TAG_NAME, "main").text


def test_everything_is_decoded(browser: WebDriver, ca: Authority) -> None:
    """What was asked for, what would become of each part, and what was issued to the same before."""
    names = [x509.DNSName("decoded.example.com"), x509.RFC822Name("root@decoded.example.com")]
    ca.issue(request("decoded.example.com", names))
    extensions = [
        (usages(digital_signature=True, key_cert_sign=True), True),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.OCSPNoCheck(), False),
    ]
    open_request(browser, ca, ca.submit(request("decoded.example.com", names, extensions=extensions)))
    text = browser.find_element(By.TAG_NAME, "main").text
    for word in (
        "decoded.example.com",
        "root@decoded.example.com",
        "digitalSignature",
        "P-256",
        "127.0.0.1",
        "93 days",
    ):
        assert word in text
    fates = {row[0]: row[1] for row in tables(browser)[0]}
    assert fates["keyUsage"].startswith("changed")
    assert fates["basicConstraints"].startswith("changed")
    assert "dropped" in {fate.split()[0] for fate in fates.values()}
    assert {"subjectKeyIdentifier", "authorityKeyIdentifier"} <= {
        name for name, fate in fates.items() if fate.startswith("added")
    }
    [similar] = tables(browser)[1]
    assert "decoded.example.com" in similar[0]


def test_a_user(browser: WebDriver, ca: Authority) -> None:
    """Who signs a user is told what that means."""
    request_id = ca.submit(make("Carol"), "cau")
    open_request(browser, ca, request_id, "cau")
    assert "may then sign, reject and revoke" in browser.find_element(By.TAG_NAME, "main").text
    sign(browser)
    outcome(browser)
    assert issued(ca, request_id, "cau").subject.rfc4514_string() == "CN=Carol"


def test_rejected_after_a_second_look(browser: WebDriver, ca: Authority) -> None:
    request_id = ca.submit(make("rejected.example.com"))
    open_request(browser, ca, request_id)
    dialog = open_dialog(browser, "reject")
    # The harmless answer has the focus, Escape is the same, and both lead back to where it began.
    assert browser.switch_to.active_element.text == "Cancel"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(browser).until(lambda _: not dialog.is_displayed())
    assert browser.switch_to.active_element.get_attribute("data-opens") == "reject"
    open_dialog(browser, "reject")
    cancel(browser, "reject")
    assert request_id in ca.pending()
    open_dialog(browser, "reject")
    confirm(browser, "reject")
    assert "Rejected" in outcome(browser)
    assert request_id not in ca.pending()
    ca.client.get(f"/cas/csr/{request_id}").expect(404)


def test_with_changes(browser: WebDriver, ca: Authority) -> None:
    """Names and usages are written anew, looked at, and signed; the key is the request's."""
    made = request("wrong.example.com", [x509.DNSName("wrong.example.com")])
    request_id = ca.submit(made)
    open_request(browser, ca, request_id)
    browser.find_element(By.CSS_SELECTOR, "a[href*='/changes/']").click()
    wait(browser).until(lambda _: "/changes/" in browser.current_url)
    assert browser.find_element(By.ID, "names").get_property("value").strip() == "wrong.example.com"
    _fill(browser, subject="CN=right.example.com,O=Example", names="right.example.com\n192.0.2.7")
    browser.find_element(By.CSS_SELECTOR, "input[name=purpose][value=clientAuth]").click()
    _look(browser)
    result = browser.find_element(By.CSS_SELECTOR, "section[aria-labelledby=result]").text
    for word in ("right.example.com", "192.0.2.7", "clientAuth"):
        assert word in result
    assert "wrong.example.com" not in result
    assert request_id in ca.pending()
    sign(browser)
    outcome(browser)
    certificate = issued(ca, request_id)
    assert certificate.subject.rfc4514_string() == "CN=right.example.com,O=Example"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["right.example.com", "192.0.2.7"]
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.ExtendedKeyUsageOID.CLIENT_AUTH in purposes
    assert certificate.public_key().public_numbers() == made.key.public_key().public_numbers()


def test_mistakes_in_changes(browser: WebDriver, ca: Authority) -> None:
    """They are told beside the field, nothing that was written is lost, and there is nothing to sign."""
    request_id = ca.submit(make("mistaken.example.com"))
    browser.get(f"{ca.origin}/ui/cas/changes/{request_id}")
    _fill(browser, subject="CN=www,", names="no name at all\nright.example.com")
    _look(browser)
    for field in ("subject", "names"):
        element = browser.find_element(By.ID, field)
        assert element.get_attribute("aria-invalid") == "true"
        told = [
            browser.find_element(By.ID, one).text for one in element.get_attribute("aria-describedby").split()
        ]
        assert all(told)
    assert browser.find_element(By.ID, "names").get_property("value") == "no name at all\nright.example.com"
    assert browser.find_elements(By.CSS_SELECTOR, "form.act") == []
    _fill(browser, subject="CN=www", names="right.example.com")
    _look(browser)
    assert browser.find_elements(By.CSS_SELECTOR, "[aria-invalid=true]") == []


@pytest.mark.parametrize("action", ["sign", "reject"])
def test_somebody_else_was_first(browser: WebDriver, ca: Authority, action: str) -> None:
    """The server says that there is no such request any more, and the page passes it on."""
    request_id = ca.submit(make(f"{action}.first.example.com"))
    open_request(browser, ca, request_id)
    ca.ask("DELETE", f"/cas/csr/{request_id}").expect(204)
    if action == "sign":
        sign(browser)
    else:
        open_dialog(browser, "reject")
        confirm(browser, "reject")
    assert "no such pending request" in refusal(browser)
    browser.refresh()
    assert browser.find_element(By.TAG_NAME, "h1").text == "There is nothing here (any more)"


def test_one_after_the_other(browser: WebDriver, ca: Authority) -> None:
    """After a decision a link leads to the next request that waits."""
    first, second = (ca.submit(make(f"{name}.next.example.com")) for name in ("first", "second"))
    open_request(browser, ca, first)
    sign(browser)
    outcome(browser)
    following = browser.find_element(By.CSS_SELECTOR, "[data-after] a").get_attribute("href")
    assert following.removeprefix(ca.origin) in {f"/ui/cas/requests/{one}" for one in ca.pending()} | {
        f"/ui/cau/requests/{one}" for one in ca.pending("cau")
    }
    ca.ask("DELETE", f"/cas/csr/{second}").expect(204)


def test_with_the_keyboard_alone(browser: WebDriver, ca: Authority) -> None:
    """From the list to the signature without a pointer."""
    request_id = ca.submit(make("keyboard.example.com"))
    browser.get(ca.origin + "/ui/requests")
    _tab_to(browser, "keyboard.example.com")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(browser).until(lambda _: browser.current_url.endswith(f"/ui/cas/requests/{request_id}"))
    _tab_to(browser, "Reject…")
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert browser.switch_to.active_element.text == "Cancel"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.text == "Reject…"
    browser.execute_script("document.activeElement.blur()")
    _tab_to(browser, "Sign")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    outcome(browser)
    issued(ca, request_id)


def test_on_a_telephone(browser: WebDriver, ca: Authority) -> None:
    """With a finger: a first tap opens the question, a second one cancels it, and one signs."""
    request_id = ca.submit(make("telephone.example.com"))
    with window_of(browser, 320), touched(browser):
        open_request(browser, ca, request_id)
        assert browser.execute_script("return matchMedia('(pointer: coarse)').matches")
        tap(browser, browser.find_element(By.CSS_SELECTOR, "[data-opens=reject]"))
        tap(
            browser,
            wait(browser).until(visibility_of_element_located((By.CSS_SELECTOR, "#reject [data-closes]"))),
        )
        wait(browser).until(invisibility_of_element_located((By.ID, "reject")))
        tap(browser, browser.find_element(By.CSS_SELECTOR, "main form.act > button.strong"))
        outcome(browser)
    issued(ca, request_id)


def _tab_to(browser: WebDriver, name: str) -> None:
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.switch_to.active_element
        if focused.tag_name != "body" and name in focused.text:
            # It can be seen where the focus is.
            assert focused.value_of_css_property("outline-style") != "none"
            return
    raise AssertionError(f"{name} cannot be reached with the keyboard")


def _fill(browser: WebDriver, *, subject: str, names: str) -> None:
    for field, text in (("subject", subject), ("names", names)):
        element = browser.find_element(By.ID, field)
        element.clear()
        element.send_keys(text)


def _look(browser: WebDriver) -> None:
    with leaving(browser):
        browser.find_element(By.CSS_SELECTOR, "main form[method=post] button").click()
