"""Signing with changes: a form with what a request asks for, and what would be issued of what was written there
instead.

What comes out is a request by itself, the template, with a key that is nobody's: it goes to the same API as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from cryptography import x509

from caucase.authority import ContextName, RequestId
from caucase.core import asked as words
from caucase.core.extensions import find
from caucase.core.preview import Preview
from caucase.core.profile import Asked
from caucase.core.request import make_template
from caucase.core.subject import parse_subject, write_subject
from caucase.core.wording import general_name
from caucase.core.x509 import load_request
from caucase.errors import Malformed
from caucase.server import forms
from caucase.server.call import Call
from caucase.server.pages import visible
from caucase.server.pages.rendering import show

T = TypeVar("T")

# "contentCommitment" is another word for "nonRepudiation".
USAGES = tuple(word for word in words.KEY_USAGES if word != "contentCommitment")
PURPOSES = tuple(words.PURPOSES)
_ANY = ("anyExtendedKeyUsage", "2.5.29.37.0")
# How a name of a request is written in the form; of other kinds than these there is no such writing.
_PREFIXES = {"DNS:": "", "IP:": "", "email:": "", "URI:": "URI:"}
_FIELDS = 2 + len(USAGES) + len(PURPOSES) + 1


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is written in the form. ``names``, ``others``: one a line. ``others``: purposes as OIDs."""

    subject: str
    names: str
    usages: tuple[str, ...]
    purposes: tuple[str, ...]
    others: str


@dataclass(frozen=True, kw_only=True)
class Changes:
    """``errors``: what is wrong, by field. ``left_out``: names that cannot be written in the form. ``preview`` and
    ``template``: what would be issued, and the request for it, PEM; ``None`` and empty before it was looked at.
    """

    context: ContextName
    id: RequestId
    form: Form
    errors: Mapping[str, Sequence[str]]
    left_out: tuple[str, ...]
    preview: Preview | None
    template: str
    usages: tuple[str, ...] = USAGES
    purposes: tuple[str, ...] = PURPOSES


async def form(call: Call) -> web.Response:
    """The form, filled in with what the request asks for; NotFound if it does not wait (any more)."""
    requests, request_id = call.context.requests, call.request_id

    def look() -> Changes:
        csr_pem = requests.pending_request(request_id).csr_pem
        preview = requests.preview(csr_pem)
        return Changes(
            context=call.context.name,
            id=request_id,
            form=_filled(preview, load_request(csr_pem).subject),
            errors={},
            left_out=_left_out(preview),
            preview=None,
            template="",
        )

    return await show(call, "changes.html", look)


async def look_at(call: Call) -> web.Response:
    """What would be issued of what was filled in, or what is wrong with it. Nothing is signed, nothing is kept."""
    requests, request_id = call.context.requests, call.request_id
    fields = await forms.read(call, fields=_FIELDS)

    def look() -> Changes:
        pending = requests.pending_request(request_id)
        filled = Form(
            subject=_lines(fields, "subject"),
            names=_lines(fields, "names"),
            usages=tuple(fields.get("usage", ())),
            purposes=tuple(fields.get("purpose", ())),
            others=_lines(fields, "others"),
        )
        errors: dict[str, list[str]] = {}
        asked = _asked(filled, errors)
        template = None if asked is None else make_template(_with_policies(asked, pending.csr_pem))
        return Changes(
            context=call.context.name,
            id=request_id,
            form=filled,
            errors=errors,
            left_out=_left_out(requests.preview(pending.csr_pem)),
            preview=None if template is None else requests.preview(pending.csr_pem, template),
            template="" if template is None else template.decode("ascii"),
        )

    changes = await call.run(look)
    return await show(call, "changes.html", lambda: changes, status=400 if changes.errors else 200)


def _lines(fields: Mapping[str, list[str]], name: str) -> str:
    """What was written in a field, line by line, as it is shown again; browsers send no second value."""
    return "\n".join(visible.escaped(line) for line in fields.get(name, [""])[0].splitlines())


def _filled(preview: Preview, subject: x509.Name) -> Form:
    purposes = [dict([_ANY]).get(word, word) for word in preview.asked("extKeyUsage")]
    return Form(
        subject=visible.escaped(write_subject(subject)),
        names="\n".join(filter(None, map(_written, preview.names))),
        usages=tuple(word for word in preview.asked("keyUsage") if word in USAGES),
        purposes=tuple(word for word in purposes if word in PURPOSES),
        others="\n".join(word for word in purposes if word[0].isdigit()),
    )


def _left_out(preview: Preview) -> tuple[str, ...]:
    return tuple(name for name in preview.names if not _written(name))


def _written(name: str) -> str:
    """A name as the form has it; empty if it cannot be written there: also what would be read as another one, such as
    a DNS name that looks like an address.
    """
    for prefix, replacement in _PREFIXES.items():
        if name.startswith(prefix):
            text = replacement + visible.escaped(name.removeprefix(prefix))
            try:
                return text if general_name(words.parse_name(text)) == name else ""
            except Malformed:  # which the person will be told, and can mend
                return text
    return ""


def _asked(form: Form, errors: dict[str, list[str]]) -> Asked | None:
    """What the form asks for; ``None``, and ``errors`` say why, by field, if it cannot be."""
    subjects = _each([form.subject], parse_subject, "subject", errors)
    names = _each(list(map(str.strip, form.names.splitlines())), words.parse_name, "names", errors)
    usages = _each(form.usages, words.parse_key_usage, "usage", errors)
    purposes = _each(form.purposes, words.parse_purpose, "purpose", errors)
    others = _each(list(map(str.strip, form.others.splitlines())), words.parse_purpose, "others", errors)
    if errors:
        return None
    try:
        return words.asked(
            names=names,
            subject=subjects[0] if subjects else x509.Name([]),
            key_usage=usages,
            purposes=[*purposes, *others],
        )
    except Malformed as error:
        errors["usage" if "keyAgreement" in error.message else "names"] = [str(error)]
        return None


def _each(
    texts: Sequence[str], parse: Callable[[str], T], field: str, errors: dict[str, list[str]]
) -> list[T]:
    parsed = []
    texts = [text for text in texts if text.strip()]
    if len(texts) > words.NAMES_LIMIT:  # nobody reads as many mistakes
        errors[field] = [f"{len(texts)} lines are too many: {words.NAMES_LIMIT} are allowed."]
        return []
    for text in texts:
        try:
            parsed.append(parse(text))
        except Malformed as error:
            errors.setdefault(field, []).append(str(error))
    return parsed


def _with_policies(asked: Asked, csr_pem: bytes) -> Asked:
    """What the form does not have stays as the request asks for it."""
    policies = find(load_request(csr_pem).extensions, x509.CertificatePolicies)
    if policies is None:
        return asked
    return Asked(subject=asked.subject, extensions=x509.Extensions([*asked.extensions, policies]))
