"""The console of somebody without a certificate: what the CA is, where it is in its life, and how to trust it."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from .acting import tables
from .authority import Authority
from .fetching import fetch


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def test_the_authority(stranger: WebDriver, ca: Authority) -> None:
    """Fingerprints and lists are those that the API has; each CA has a file; the pictures have words."""
    stranger.get(ca.origin + "/ui/")
    text = stranger.find_element(By.TAG_NAME, "main").text
    for context in ("cas", "cau"):
        pem = ca.client.get(f"/{context}/crt/ca.crt.pem").expect(200).body
        assert fingerprint(x509.load_pem_x509_certificate(pem)) in text
    assert fingerprint(x509.load_pem_x509_certificate(ca.https_ca_pem)) in text
    for context, [row] in zip(("cas", "cau"), tables(stranger), strict=True):
        crl = x509.load_pem_x509_crl(ca.client.get(f"/{context}/crl").expect(200).body)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        assert row[:2] == ["CA 1", str(number)]
    files = [one.get_attribute("href") for one in stranger.find_elements(By.CSS_SELECTOR, "dd a[download]")]
    assert len(files) == 3
    for url in files:
        answer = fetch(stranger, url)
        assert answer is not None
        assert fingerprint(x509.load_pem_x509_certificate(answer.text.encode())) in text
    for picture in stranger.find_elements(By.CSS_SELECTOR, "svg[role=img]"):
        assert picture.accessible_name.startswith("The lives of the CA certificates of ")
    stranger.find_element(By.CSS_SELECTOR, "section summary").click()
    words = stranger.find_element(By.CSS_SELECTOR, "section details").text
    assert re.search(r"CA 1 signs from \d{4}-\d\d-\d\d \d\d:\d\d until ", words)
    assert "The next CA is made at" in words


def test_how_to_trust_it(stranger: WebDriver, ca: Authority) -> None:
    stranger.get(ca.origin + "/ui/")
    stranger.find_element(By.LINK_TEXT, "How to trust it").click()
    titles = [one.text for one in stranger.find_elements(By.TAG_NAME, "summary")]
    for system in ("Debian", "Red Hat", "macOS", "Windows", "Firefox", "Android", "Java", "Python"):
        assert any(system in title for title in titles)
    debian = next(one for one in stranger.find_elements(By.TAG_NAME, "details") if "Debian" in one.text)
    debian.find_element(By.TAG_NAME, "summary").click()
    assert "update-ca-certificates" in debian.text


def test_what_is_for_users(stranger: WebDriver, ca: Authority) -> None:
    """It is in no navigation, and who goes there all the same is told how to get in."""
    stranger.get(ca.origin + "/ui/")
    links = {one.text for one in stranger.find_elements(By.CSS_SELECTOR, "nav a")}
    assert links == {"Authority", "How to trust it", "Web applications"}
    for path in ("/ui/requests", "/ui/cas/issued", "/ui/cau/record", "/ui/cas/requests/1"):
        stranger.get(ca.origin + path)
        assert stranger.find_element(By.TAG_NAME, "h1").text == "This needs a user's certificate"
        assert "Import user.p12 into this browser" in stranger.find_element(By.TAG_NAME, "main").text
