"""Every page there is, with something on it: what all tests of pages go through, and what the documentation's pictures show."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import visibility_of_element_located

from tests.server.material import Made

from .authority import Authority
from .chromium import leaving, wait
from .material import request, usages

APPLICATION = "https://deploy.example.com"
_PURPOSES = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


@dataclass(frozen=True, kw_only=True)
class Page:
    """``path``: where it is. ``for_user``: a user's browser is needed. ``then``: what is done there, to see what is meant."""

    path: str
    for_user: bool = True
    then: Callable[[WebDriver], None] = lambda driver: None

    def open(self, driver: WebDriver, ca: Authority) -> None:
        driver.get(ca.origin + self.path)
        self.then(driver)


# By name; tests/browser/test_layout.py shows that no route is missing.
NAMES = (
    "overview", "overview-stranger", "trust", "trust-unfolded", "requests", "request", "request-user", "changes", "changes-mistakes",
    "changes-result", "reject", "issued", "issued-none", "certificate", "certificate-revoked", "revoke", "record", "consent",
    "consents", "consents-none", "problem-certificate", "problem-missing", "problem-malformed",
)  # fmt: skip


def pages(ca: Authority) -> Mapping[str, Page]:
    """Fill the authority with a few things, and say where they can be seen."""
    web = x509.DNSName("www.example.com")
    _renewed(ca, "www.example.com", [web, x509.DNSName("example.com")])
    valid = _issued(
        ca,
        "db.example.com",
        [x509.DNSName("db.example.com"), x509.IPAddress(ipaddress.ip_address("192.0.2.17"))],
    )
    lost = _issued(ca, "laptop.example.com", [x509.DNSName("laptop.example.com")])
    ca.revoke(lost)
    _issued(
        ca, "mail.example.com", [x509.DNSName("mail.example.com"), x509.RFC822Name("postmaster@example.com")]
    )
    service = ca.submit(_asking_too_much())
    ca.submit(request("metrics.example.com", [x509.DNSName("metrics.example.com")]))
    user = ca.submit(request("Bob", subject=[(NameOID.ORGANIZATION_NAME, "Example")]), "cau")

    consent = f"/cors?origin={quote(APPLICATION, safe='')}&return={quote(APPLICATION + '/work', safe='')}"
    changes = f"/ui/cas/changes/{service}"
    return {
        "overview": Page(path="/ui/"),
        "overview-stranger": Page(path="/ui/", for_user=False),
        "trust": Page(path="/ui/trust", for_user=False),
        "trust-unfolded": Page(path="/ui/trust", for_user=False, then=_unfold),
        "requests": Page(path="/ui/requests"),
        "request": Page(path=f"/ui/cas/requests/{service}"),
        "request-user": Page(path=f"/ui/cau/requests/{user}"),
        "changes": Page(path=changes),
        "changes-mistakes": Page(path=changes, then=_change("CN=www,", "www example com")),
        "changes-result": Page(path=changes, then=_change("CN=www.example.com", "www.example.com")),
        "reject": Page(path=f"/ui/cas/requests/{service}", then=_dialog("reject")),
        "issued": Page(path="/ui/cas/issued"),
        "issued-none": Page(path="/ui/cas/issued?text=nowhere&state="),
        "certificate": Page(path=f"/ui/cas/issued/{valid:x}"),
        "certificate-revoked": Page(path=f"/ui/cas/issued/{lost:x}"),
        "revoke": Page(path=f"/ui/cas/issued/{valid:x}", then=_dialog("revoke")),
        "record": Page(path="/ui/cas/record"),
        "consent": Page(path=consent),
        "consents": Page(path="/ui/consents", then=_answered(ca, consent)),
        "consents-none": Page(path="/ui/consents", for_user=False),
        "problem-certificate": Page(path="/ui/requests", for_user=False),
        "problem-missing": Page(path="/ui/cas/requests/1"),
        "problem-malformed": Page(path="/cors"),
    }


def _asking_too_much() -> Made:
    """A request that the authority would not follow in everything."""
    asked = [
        (usages(digital_signature=True, key_encipherment=True, key_cert_sign=True), True),
        (_PURPOSES, False),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.OCSPNoCheck(), False),
    ]
    names = [x509.DNSName("www.example.com"), x509.DNSName("shop.example.com")]
    organization = [(NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "Example & Sons")]
    return request("www.example.com", names, subject=organization, extensions=asked)


def _issued(ca: Authority, name: str, names: list[x509.GeneralName]) -> int:
    """A certificate; its serial."""
    made = request(name, names, extensions=[(usages(digital_signature=True), True), (_PURPOSES, False)])
    return ca.issue(made).serial_number


def _renewed(ca: Authority, name: str, names: list[x509.GeneralName]) -> None:
    """A certificate that was replaced by its holder."""
    made, successor = request(name, names), request(name)
    ca.renew(made, ca.issue(made), successor)


def _unfold(driver: WebDriver) -> None:
    driver.execute_script("document.querySelectorAll('details').forEach((one) => (one.open = true))")


def _change(subject: str, names: str) -> Callable[[WebDriver], None]:
    def change(driver: WebDriver) -> None:
        for field, text in (("subject", subject), ("names", names)):
            element = driver.find_element(By.ID, field)
            element.clear()
            element.send_keys(text)
        with leaving(driver):
            driver.find_element(By.CSS_SELECTOR, "main form[method=post] button").click()

    return change


def _dialog(name: str) -> Callable[[WebDriver], None]:
    def ask(driver: WebDriver) -> None:
        driver.find_element(By.CSS_SELECTOR, f"[data-opens={name}]").click()
        wait(driver).until(visibility_of_element_located((By.ID, name)))

    return ask


_ANSWER = """
const [allowed, done] = arguments;
const fields = new URLSearchParams(new FormData(document.forms[0]));
fields.set("grant", allowed);
fetch("/cors", { method: "POST", body: fields, redirect: "manual" }).then(() => done());
"""


def _answered(ca: Authority, consent: str) -> Callable[[WebDriver], None]:
    """With one application that was allowed, and one that was not; neither exists, so there is no way back to it."""

    def given(driver: WebDriver) -> None:
        for allowed, path in ((1, consent), (0, consent.replace("deploy", "wiki"))):
            driver.get(ca.origin + path)
            driver.execute_async_script(_ANSWER, allowed)
        driver.get(ca.origin + "/ui/consents")

    return given
