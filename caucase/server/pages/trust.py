"""How the CAs become trusted: their certificates as files, and what to do with those on the usual systems."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from caucase.authority import ContextName
from caucase.core.spki import KeyId
from caucase.errors import NotFound
from caucase.server.call import Call
from caucase.server.handlers import CA_CERTIFICATE
from caucase.server.pages.overview import Ca, shown
from caucase.server.pages.rendering import show
from caucase.server.representation import represent

_KEY_ID = re.compile(r"(?:[0-9a-f]{2}){1,64}", re.ASCII)

# Of each system what is typed there; {file} is each of the files, {name} the same without its ending. Words about
# them are in texts.
_SYSTEMS = (
    ("debian", ("sudo cp {file} /usr/local/share/ca-certificates/",), ("sudo update-ca-certificates",)),
    ("fedora", ("sudo cp {file} /etc/pki/ca-trust/source/anchors/",), ("sudo update-ca-trust",)),
    ("arch", ("sudo trust anchor --store {file}",), ()),
    (
        "macos",
        ("sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {file}",),
        (),
    ),
    ("windows", ("certutil -addstore -f Root {file}",), ()),
    ("firefox", (), ()),
    ("chromium", ('certutil -A -d "sql:$HOME/.pki/nssdb" -t C,, -n {name} -i {file}',), ()),
    ("phone", (), ()),
    (
        "java",
        ("sudo keytool -importcert -cacerts -storepass changeit -noprompt -alias {name} -file {file}",),
        (),
    ),
    ("curl", (), ("cat caucase-*.crt >caucase.pem", "curl --cacert caucase.pem https://www.example.com/")),
    ("python", (), ("export SSL_CERT_FILE=$PWD/caucase.pem REQUESTS_CA_BUNDLE=$PWD/caucase.pem",)),
    ("node", (), ("export NODE_EXTRA_CA_CERTS=$PWD/caucase.pem",)),
    ("git", (), ("git config --global http.sslCAInfo $PWD/caucase.pem",)),
)


@dataclass(frozen=True, kw_only=True)
class File:
    """A CA certificate as a file, and where it is fetched."""

    ca: Ca
    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class System:
    """``key``: of its words. ``commands``: lines for a shell, perhaps none."""

    key: str
    commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """``files``: the CAs for services. ``own``: those for this server's HTTPS alone. ``ca_url``: for the updater."""

    files: tuple[File, ...]
    own: tuple[File, ...]
    systems: tuple[System, ...]
    ca_url: str


async def page(call: Call) -> web.Response:
    service = call.service

    def look() -> Trust:
        contexts = {context.name: context for context in service.authority.contexts()}
        services, own = (
            tuple(_file(ca, service.origins.http) for ca in shown(contexts[name].cas))
            for name in (ContextName.CAS, ContextName.HTTPS)
        )
        return Trust(
            files=services,
            own=own,
            systems=tuple(
                System(key=key, commands=tuple(_commands(each, once, services)))
                for key, each, once in _SYSTEMS
            ),
            ca_url=service.origins.http,
        )

    return await show(call, "trust.html", look)


async def certificate(call: Call) -> web.Response:
    """The certificate of a valid CA by its key identifier, hexadecimal; NotFound."""
    text = call.match.parameter
    if not _KEY_ID.fullmatch(text):
        raise NotFound("A CA certificate is named by its key identifier, hexadecimal.")
    document = await call.run(call.service.authority.ca_certificate, KeyId(bytes.fromhex(text)))
    return represent(call.request, document, CA_CERTIFICATE)


def _file(ca: Ca, http: str) -> File:
    return File(ca=ca, name=f"caucase-{ca.key_id.hex()[:8]}.crt", url=f"{http}/ui/ca/{ca.key_id.hex()}.pem")


def _commands(each: tuple[str, ...], once: tuple[str, ...], files: tuple[File, ...]) -> list[str]:
    filled = [
        line.format(file=file.name, name=file.name.removesuffix(".crt")) for file in files for line in each
    ]
    return [*filled, *once]
