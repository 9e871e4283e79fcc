"""Finds an extension in a certificate, a request or a list."""

from __future__ import annotations

from typing import TypeVar, cast

from cryptography import x509

_Value = TypeVar("_Value", bound=x509.ExtensionType)


def find(extensions: x509.Extensions, kind: type[_Value]) -> x509.Extension[_Value] | None:
    """The extension whose value is of that class of ``cryptography``, ``None`` if there is none.

    The library's own way raises, and asks abstract classes, which takes ten times as long.
    """
    for extension in extensions:
        if type(extension.value) is kind:
            return cast("x509.Extension[_Value]", extension)
    return None


def value_of(extensions: x509.Extensions, kind: type[_Value]) -> _Value | None:
    """What it says."""
    found = find(extensions, kind)
    return None if found is None else found.value
