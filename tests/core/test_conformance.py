"""Everything issued, judged by others: openssl, GnuTLS and pkilint."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from caucase.core import profile
from caucase.core.crl import build_crl, revocation_entry
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial
from caucase.core.netloc import NetLoc
from caucase.core.pem import CRL, to_pem
from caucase.core.profile import Asked
from caucase.core.spki import key_id
from caucase.core.x509 import Serial, dump_pem, load_request, public_key, subject_key_id

TOOLS = Path(os.environ.get("CAUCASE_TOOLS_BIN") or Path(__file__).parents[2] / ".venv-tools" / "bin")
SECONDS = 60
NOW = datetime.now(UTC)  # GnuTLS knows no other
PERIOD = timedelta(days=93)
NETLOC = NetLoc.parse("ca.example.com:8009")
CA_KINDS = ["rsa:2048", "ec:P-256", "ec:P-384"]
LEAF_KINDS = ["rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"]
HOSTS = ["ca.example.com:8009", "192.0.2.1", "[2001:db8::1]:8009"]


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A CA, a certificate that is good, one that is revoked, and lists, as files."""

    ca: Path
    good: Path
    revoked: Path
    empty: Path
    full: Path


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def usage(*names: str) -> x509.KeyUsage:
    return profile._key_usage(*names)


def certify(ca: Signer, csr_pem: bytes, *, auto_signed: bool) -> x509.Certificate:
    csr = load_request(csr_pem)
    issuer = subject_key_id(ca.certificate)
    return issue(
        ca,
        key=public_key(csr),
        subject=csr.subject,
        extensions=profile.leaf_extensions(
            Asked.by(csr),
            key_id=key_id(public_key(csr)),
            issuer=issuer,
            crl_url=f"http://{NETLOC.authority}/cas/crl/{int.from_bytes(issuer, 'big')}.der",
            auto_signed=auto_signed,
        ),
        validity=Validity.starting(NOW, PERIOD),
        serial=random_serial(),
    )


@pytest.fixture(scope="module")
def issued(keys, make_csr, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Issued]:
    """``issued(kind of the CA's key, kind of the certificate's)``."""

    def make(ca_kind: str, leaf_kind: str) -> Issued:
        folder = tmp_path_factory.mktemp("issued")
        ca = issue_ca(
            keys(ca_kind),
            subject=profile.ca_subject("Caucase CAS", NETLOC),
            extensions=profile.ca_extensions(),
            validity=Validity.starting(NOW, 4 * PERIOD),
            serial=random_serial(),
        )
        asked = [
            (usage("digital_signature"), True),
            (
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                False,
            ),
            (x509.SubjectAlternativeName([x509.DNSName("www.example.com")]), False),
        ]
        good = certify(ca, make_csr(None, key=keys(leaf_kind, 1), extensions=asked), auto_signed=True)
        revoked = certify(ca, make_csr("www.example.com", key=keys(leaf_kind, 1)), auto_signed=False)
        paths = {name: folder / f"{name}.pem" for name in ("ca", "good", "revoked", "empty", "full")}
        for name, certificate in (("ca", ca.certificate), ("good", good), ("revoked", revoked)):
            paths[name].write_bytes(dump_pem(certificate))
        start = NOW.replace(microsecond=0) - timedelta(seconds=10)
        for number, (name, serials) in enumerate(
            [("empty", []), ("full", [1, 2**158, revoked.serial_number])]
        ):
            der = build_crl(
                ca,
                b"".join(revocation_entry(Serial(serial), NOW) for serial in serials),
                number=number + 127,
                this_update=start,
                next_update=start + PERIOD * 0.33,
            )
            paths[name].write_bytes(to_pem(der, CRL))
        return Issued(**paths)

    return make


@pytest.fixture(scope="module")
def https(keys, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], tuple[Path, Path]]:
    """``https(host, kind)``: the HTTPS CA and its certificate."""

    def make(host: str, kind: str, *, leaf_host: str | None = None) -> tuple[Path, Path]:
        folder, netloc = tmp_path_factory.mktemp("https"), NetLoc.parse(host)
        ca = issue_ca(
            keys(kind),
            subject=profile.ca_subject("Caucased CA", netloc),
            extensions=profile.https_ca_extensions(netloc),
            validity=Validity.starting(NOW, 40 * PERIOD),
            serial=random_serial(),
        )
        key = keys(kind, 1).public_key()
        extensions = profile.https_leaf_extensions(
            NetLoc.parse(leaf_host or host), key_id=key_id(key), issuer=subject_key_id(ca.certificate)
        )
        leaf = issue(
            ca,
            key=key,
            subject=x509.Name([]),
            extensions=extensions,
            validity=Validity.starting(NOW, PERIOD),
            serial=random_serial(),
        )
        (folder / "ca.pem").write_bytes(dump_pem(ca.certificate))
        (folder / "leaf.pem").write_bytes(dump_pem(leaf))
        return folder / "ca.pem", folder / "leaf.pem"

    return make


PAIRS = [(ca, leaf) for ca in CA_KINDS for leaf in LEAF_KINDS]


@pytest.mark.parametrize(("ca", "leaf"), PAIRS)
def test_openssl(issued, ca: str, leaf: str) -> None:
    files = issued(ca, leaf)
    strict = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", files.ca, "-crl_check"]
    for crl, certificate in (
        (files.empty, files.good),
        (files.empty, files.revoked),
        (files.full, files.good),
    ):
        done = run(*strict, "-CRLfile", crl, certificate)
        assert done.returncode == 0, done.stderr
    done = run(*strict, "-CRLfile", files.full, files.revoked)
    assert done.returncode != 0
    assert "certificate revoked" in done.stderr
    done = run("openssl", "verify", "-x509_strict", "-CAfile", files.ca, "-check_ss_sig", files.ca)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("ca", "leaf"), PAIRS)
def test_gnutls(issued, ca: str, leaf: str) -> None:
    files = issued(ca, leaf)
    for crl, certificate, good in (
        (files.empty, files.good, True),
        (files.full, files.good, True),
        (files.full, files.revoked, False),
    ):
        done = run(
            "certtool",
            "--verify",
            "--load-ca-certificate",
            files.ca,
            "--load-crl",
            crl,
            "--infile",
            certificate,
        )
        assert (done.returncode == 0) is good, done.stdout + done.stderr
    for crl in (files.empty, files.full):
        done = run("certtool", "--verify-crl", "--load-ca-certificate", files.ca, "--infile", crl)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Verified" in done.stdout


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256"])
@pytest.mark.parametrize("host", HOSTS)
def test_https(https, host: str, kind: str) -> None:
    ca, leaf = https(host, kind)
    netloc = NetLoc.parse(host)
    check = ["-verify_ip" if netloc.ip else "-verify_hostname", netloc.host]
    strict = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca]
    assert run(*strict, *check, leaf).returncode == 0
    assert run(*strict, "-verify_hostname", "other.example", leaf).returncode != 0
    done = run(
        "certtool",
        "--verify",
        "--verify-hostname",
        netloc.host,
        "--load-ca-certificate",
        ca,
        "--infile",
        leaf,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("host", "other"),
    [("ca.example.com", "ca.example.net"), ("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "ca.example.com"), ("[2001:db8::1]", "[2001:db8::2]"), ("[2001:db8::1]", "localhost"), ("ca.example.com", "192.0.2.1"), ("ca.example.com", "[2001:db8::1]")],
)  # fmt: skip
def test_https_ca_speaks_for_no_other_host(https, host: str, other: str) -> None:
    ca, leaf = https(host, "ec:P-256", leaf_host=other)
    done = run("openssl", "verify", "-x509_strict", "-CAfile", ca, leaf)
    assert done.returncode != 0
    assert "subtree violation" in done.stderr


LINT = """
import contextlib, io, sys
from pkilint.bin import lint_crl, lint_pkix_cert

for path in sys.argv[1:]:
    lists = path.endswith(("empty.pem", "full.pem"))
    main = lint_crl.main if lists else lint_pkix_cert.main
    options = ["-t", "CRL", "-p", "PKIX"] if lists else []
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main(["lint", *options, "-s", "INFO", "-f", "CSV", path])
    for line in filter(None, output.getvalue().splitlines()[1:]):
        print(path, line)
"""


@pytest.mark.parametrize("ca", CA_KINDS)
def test_pkilint(issued, https, ca: str) -> None:
    """Nothing from WARNING upwards."""
    python = TOOLS / "python"
    if not python.exists() or run(python, "-c", "import pkilint").returncode != 0:
        pytest.fail(f"no pkilint in {TOOLS}: run make test, or name its folder in CAUCASE_TOOLS_BIN")
    certificates: list[Path] = []
    for leaf in LEAF_KINDS:
        files = issued(ca, leaf)
        certificates += [files.good, files.revoked]
    certificates.append(files.ca)
    for host in HOSTS:
        certificates += https(host, ca)
    done = run(python, "-c", LINT, *certificates, files.empty, files.full)
    assert done.returncode == 0, done.stderr
    findings = done.stdout.splitlines()
    # It has looked: it says of each certificate how the key identifier was made.
    assert sum("subject_key_identifier_method_1_identified" in finding for finding in findings) == len(
        certificates
    )
    harmless = {"INFO", "NOTICE"}
    assert [finding for finding in findings if not harmless & set(finding.split(","))] == []
