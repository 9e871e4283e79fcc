"""Certificates in the console of a user: found, looked at, revoked; and the record of who did what."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.select import Select

from tests.server.material import make

from .acting import cancel, confirm, open_dialog, outcome, refusal, sign, tables
from .authority import USER, Authority, pkcs12_file
from .chromium import Profile, chromium, leaving, wait
from .material import request


def details(ca: Authority, serial: int) -> str:
    return f"{ca.origin}/ui/cas/issued/{serial:x}"


def search(browser: WebDriver, text: str, state: str = "") -> list[list[str]]:
    """The rows that are found."""
    field = browser.find_element(By.ID, "text")
    field.clear()
    Select(browser.find_element(By.ID, "state")).select_by_value(state)
    with leaving(browser):
        field.send_keys(text, Keys.ENTER)
    found = tables(browser)
    return found[0] if found else []


def test_search(browser: WebDriver, ca: Authority) -> None:
    """By a part of a subject, of a name or of a serial number, and by state, which is a word as well as a colour."""
    valid = ca.issue(request("found.example.com", [x509.DNSName("alternative.example.org")]))
    revoked = ca.issue(make("found.example.net"))
    ca.revoke(revoked.serial_number)
    browser.get(ca.origin + "/ui/requests")
    browser.find_element(By.LINK_TEXT, "Certificates").click()
    wait(browser).until(lambda _: browser.current_url.endswith("/ui/cas/issued"))
    assert {row[0] for row in search(browser, "found.example")} == {
        "CN=found.example.com",
        "CN=found.example.net",
    }
    assert [row[0] for row in search(browser, "alternative.example.org")] == ["CN=found.example.com"]
    assert [row[0] for row in search(browser, f"{valid.serial_number:x}")] == ["CN=found.example.com"]
    [row] = search(browser, "found.example", "revoked")
    assert (row[0], row[2]) == ("CN=found.example.net", "revoked")
    [row] = search(browser, "found.example", "valid")
    assert row[2] == "valid"
    assert search(browser, "nowhere.example.com") == []
    assert "no such certificate" in browser.find_element(By.TAG_NAME, "main").text
    # What was searched for is still there.
    assert browser.find_element(By.ID, "text").get_property("value") == "nowhere.example.com"


def test_revoked_after_a_second_look(browser: WebDriver, ca: Authority) -> None:
    certificate = ca.issue(request("lost.example.com", [x509.DNSName("lost.example.com")]))
    browser.get(details(ca, certificate.serial_number))
    dialog = open_dialog(browser, "revoke")
    for word in ("lost.example.com", f"{certificate.serial_number:x}", "Nobody can take that back"):
        assert word in dialog.text
    assert browser.switch_to.active_element.text == "Cancel"
    cancel(browser, "revoke")
    assert not ca.is_revoked(certificate.serial_number)
    open_dialog(browser, "revoke")
    confirm(browser, "revoke")
    assert "Revoked" in outcome(browser)
    assert ca.is_revoked(certificate.serial_number)
    browser.refresh()
    text = browser.find_element(By.TAG_NAME, "main").text
    assert f"by CN={USER}" in text
    assert browser.find_elements(By.CSS_SELECTOR, "[data-opens=revoke]") == []


def test_revoked_meanwhile(browser: WebDriver, ca: Authority) -> None:
    certificate = ca.issue(make("meanwhile.example.com"))
    browser.get(details(ca, certificate.serial_number))
    ca.revoke(certificate.serial_number)
    open_dialog(browser, "revoke")
    confirm(browser, "revoke")
    assert "already" in refusal(browser)


def test_what_was_made_of_it(browser: WebDriver, ca: Authority) -> None:
    """Who revokes a certificate sees which were renewed from it, because those stay valid."""
    made, successor = request("renewed.example.com"), make("renewed.example.com")
    old = ca.issue(made)
    new = ca.renew(made, old, successor)
    browser.get(details(ca, old.serial_number))
    assert "Revoking this one does not revoke those" in browser.find_element(By.TAG_NAME, "main").text
    browser.find_element(By.CSS_SELECTOR, "main table a").click()
    wait(browser).until(lambda _: browser.current_url == details(ca, new.serial_number))
    link = browser.find_element(By.LINK_TEXT, f"{old.serial_number:x}")
    assert link.get_attribute("href") == details(ca, old.serial_number)


def test_the_record(browser: WebDriver, ca: Authority) -> None:
    """Who did what, from where; and what one person did."""
    request_id = ca.submit(make("recorded.example.com"))
    browser.get(f"{ca.origin}/ui/cas/requests/{request_id}")
    sign(browser)
    outcome(browser)
    browser.find_element(By.LINK_TEXT, "Record").click()
    wait(browser).until(lambda _: browser.current_url.endswith("/ui/cas/record"))
    newest = tables(browser)[0][0]
    assert newest[2:] == ["signed", f"CN={USER}", "127.0.0.1", "CN=recorded.example.com"]
    field = browser.find_element(By.ID, "actor")
    with leaving(browser):
        field.send_keys("nobody of that name", Keys.ENTER)
    assert tables(browser) == []


def test_a_user_who_is_revoked_while_at_work(browser: WebDriver, ca: Authority, tmp_path: Path) -> None:
    """Their next action is refused, and says so; the page after it is a stranger's."""
    made = make("Mallory")
    request_id = ca.submit(made, "cau")
    ca.ask("PUT", f"/cau/crt/{request_id}").expect(204)
    pem = ca.client.get(f"/cau/crt/{request_id}").expect(200).body
    theirs = pkcs12_file(tmp_path / "mallory.p12", made.key, pem)
    profile = Profile(hosts=ca.hosts, authorities=[ca.https_ca_pem], user=theirs, shown_to=[ca.origin])
    waiting = ca.submit(make("mallory.example.com"))
    folder = tmp_path / "browser"
    folder.mkdir()
    with chromium(folder, profile) as hers:
        hers.get(f"{ca.origin}/ui/cas/requests/{waiting}")
        assert "You are CN=Mallory" in hers.find_element(By.TAG_NAME, "header").text
        # With another browser, by Alice.
        browser.get(f"{ca.origin}/ui/cau/issued/{x509.load_pem_x509_certificate(pem).serial_number:x}")
        open_dialog(browser, "revoke")
        confirm(browser, "revoke")
        outcome(browser)
        sign(hers)
        assert "does not accept your certificate" in refusal(hers)
        assert waiting in ca.pending()
        hers.get(ca.origin + "/ui/")
        assert "not accepted" in hers.find_element(By.CSS_SELECTOR, "main [role=alert]").text
        hers.get(ca.origin + "/ui/requests")
        assert "This needs a user's certificate" in hers.find_element(By.TAG_NAME, "h1").text
        assert "mallory.example.com" not in hers.page_source


def test_their_own(browser: WebDriver, ca: Authority) -> None:
    """Who is about to revoke their own certificate is told so."""
    serial = x509.load_pem_x509_certificate(ca.user_crt_pem).serial_number
    browser.get(f"{ca.origin}/ui/cau/issued/{serial:x}")
    dialog = open_dialog(browser, "revoke")
    assert "your own certificate" in dialog.text
    cancel(browser, "revoke")
