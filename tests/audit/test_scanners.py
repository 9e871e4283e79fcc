"""TLS of a real server as testssl.sh and sslyze see it: no finding but those that are explained here.

``make soak`` has all of testssl.sh, which takes minutes; here are the parts that concern what the server decides.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import Listeners, Process

ROOT = Path(__file__).parents[2]
_SSLYZE = ROOT / ".venv-audit" / "bin" / "sslyze"

# Protocols, compression, fallback. For the rest of what concerns us, sslyze is much quicker.
_QUICK = ("-p", "-C", "-Z")
_GOOD = {"OK", "INFO"}
EXPLAINED = {
    "engine_problem": "is about the openssl that testssl.sh uses",
    "cert_revocation": "the HTTPS CA certifies this server alone: who has its key also has the CA's, which nobody revokes",
    "HSTS": "HTTP is served on purpose: what is published is signed, and the consent page is on HTTPS alone",
    "cert_commonName": "the name is in the subject alternative name, where clients look (RFC 9525)",
    "DNS_CAArecord": "no public CA is involved",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Its HTTPS port, and its HTTPS CA. One worker: sessions are resumed by the one that made them."""
    folder, listeners = tmp_path_factory.mktemp("server"), Listeners()
    process = Process(folder, "--netloc", "localhost:8009", "--workers", "1", listeners=listeners)
    try:
        process.hear("READY=1")
        message = json.loads(listeners.get("/cas/crt/https-ca.json")[1])
        ca = folder / "https-ca.pem"
        ca.write_text(json.loads(message["payload"])["https_ca_pem"])
        yield listeners.port("https"), ca
    finally:
        process.end()
        listeners.close()


def test_testssl(server: tuple[int, Path], tmp_path: Path) -> None:
    port, ca = server
    report = tmp_path / "report.json"
    what = () if "CAUCASE_SOAK" in os.environ else _QUICK
    options = ("--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--jsonfile", str(report))
    command = ["testssl", *options, "--add-ca", str(ca), *what, f"localhost:{port}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    found = {
        finding["id"]: (finding["severity"], finding["finding"]) for finding in json.loads(report.read_text())
    }
    assert len(found) > 10, done.stdout
    for name, (severity, finding) in found.items():
        assert severity in _GOOD or name in EXPLAINED, (name, severity, finding)
    for old in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert found[old][1] == "not offered"
    assert found["TLS1_2"][1] == "offered"
    assert found["TLS1_3"][1].startswith("offered")
    assert found["ALPN"] == ("INFO", "http/1.1")


_SCANS = [
    "sslv2",
    "sslv3",
    "tlsv1",
    "tlsv1_1",
    "tlsv1_2",
    "tlsv1_3",
    "early_data",
    "compression",
    "openssl_ccs",
    "fallback",
    "heartbleed",
    "robot",
    "reneg",
    "resum",
    "elliptic_curves",
    "ems",
]


@pytest.fixture(scope="module")
def scanned(server: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    report = tmp_path_factory.mktemp("sslyze") / "report.json"
    scans = [f"--{name}" for name in _SCANS]
    command = [_SSLYZE, *scans, "--mozilla_config=disable", f"--json_out={report}", f"localhost:{server[0]}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert report.exists(), done.stdout + done.stderr
    [result] = json.loads(report.read_text())["server_scan_results"]
    scans = {name: scan for name, scan in result["scan_result"].items() if scan["status"] != "NOT_SCHEDULED"}
    assert {scan["status"] for scan in scans.values()} == {"COMPLETED"}
    return {name: scan["result"] for name, scan in scans.items()}


def test_sslyze_versions_and_ciphers(scanned: dict[str, Any]) -> None:
    accepted = {
        name.removesuffix("_cipher_suites"): {
            suite["cipher_suite"]["name"] for suite in scan["accepted_cipher_suites"]
        }
        for name, scan in scanned.items()
        if name.endswith("_cipher_suites")
    }
    assert accepted == {
        "ssl_2_0": set(),
        "ssl_3_0": set(),
        "tls_1_0": set(),
        "tls_1_1": set(),
        "tls_1_2": {
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        },
        "tls_1_3": {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"},
    }
    curves = {curve["name"] for curve in scanned["elliptic_curves"]["supported_curves"]}
    assert curves == {"X25519", "X448", "secp256r1", "secp384r1", "secp521r1"}


def test_sslyze_everything_else(scanned: dict[str, Any]) -> None:
    assert not scanned["tls_compression"]["supports_compression"]
    assert not scanned["tls_1_3_early_data"]["supports_early_data"]
    assert not scanned["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert not scanned["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert scanned["robot"]["robot_result"].startswith("NOT_VULNERABLE")
    assert scanned["session_renegotiation"] == {
        "supports_secure_renegotiation": True,
        "is_vulnerable_to_client_renegotiation_dos": False,
        "client_renegotiations_success_count": 0,
    }
    assert scanned["tls_fallback_scsv"]["supports_fallback_scsv"]
    assert scanned["tls_extended_master_secret"]["supports_ems_extension"]
    assert scanned["session_resumption"]["tls_ticket_resumption_result"] == "FULLY_SUPPORTED"
