"""The newest revocation lists, ready to be handed out."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from caucase.authority.document import Document, slices
from caucase.core.pem import CRL, PEM_LINE_BYTES, pem_pieces, pem_size
from caucase.errors import NotFound, StoreError
from caucase.store import Database, Transaction, revocations
from caucase.store.revocations import PublishedList
from caucase.store.schema import from_seconds

# Bytes of a list that are stored, and read, at once: a transaction of milliseconds. PEM lines end where a part does.
PART = 16384 * PEM_LINE_BYTES
# Bytes of it that are sent at once.
_SLICE = 1024 * PEM_LINE_BYTES


class ListDocuments:
    """Lists of a context's CAs, at least one. ``all``: each of them in PEM, one after the other."""

    def __init__(self, database: Database, transaction: Transaction, lists: Sequence[PublishedList]) -> None:
        """``lists`` are those that ``transaction`` sees; long ones are read later, part by part."""
        self._database = database
        self._documents: dict[tuple[int, bool], Document] = {}
        in_pem = []
        for published in lists:
            parts = partial(self._parts, published)
            if published.size <= PART:
                der = revocations.select_part(transaction, published.version, 0)
                assert der is not None  # its version was read in the same transaction
                parts = partial(slices, der, _SLICE)
            number = int.from_bytes(published.issuer, "big")
            both = {pem: _document(published, parts, pem=pem) for pem in (True, False)}
            in_pem.append(both[True])
            for pem, document in both.items():
                self._documents.setdefault((number, pem), document)
        self.all = _joined(in_pem)

    def document(self, aki: int, *, pem: bool) -> Document:
        """The list of the CA whose key identifier, as a number, is ``aki``; NotFound."""
        document = self._documents.get((aki, pem))
        if document is None:
            raise NotFound("There is no valid CA with this key identifier.")
        return document

    def _parts(self, published: PublishedList) -> Iterator[bytes]:
        """A list in DER, piece by piece; nobody holds more than one part, nor a transaction in between."""
        for number in range(-(-published.size // PART)):
            with self._database.read() as transaction:
                part = revocations.select_part(transaction, published.version, number)
            if part is None:
                raise StoreError("The revocation list has been replaced twice in the meantime.")
            yield from slices(part, _SLICE)


def _document(published: PublishedList, parts: Callable[[], Iterator[bytes]], *, pem: bool) -> Document:
    form = "pem" if pem else "der"
    return Document(
        size=pem_size(published.size, CRL) if pem else published.size,
        # A number is never used for two lists of a CA.
        etag=f'"{published.issuer.hex()}-{published.number}-{form}"',
        last_modified=from_seconds(published.this_update),
        slices=(lambda: pem_pieces(parts(), CRL)) if pem else parts,
    )


def _joined(documents: Sequence[Document]) -> Document:
    if len(documents) == 1:
        return documents[0]
    names = "".join(document.etag for document in documents)
    return Document(
        size=sum(document.size for document in documents),
        etag=f'"{hashlib.sha256(names.encode("ascii")).hexdigest()[:32]}"',
        last_modified=max(document.last_modified for document in documents),
        slices=lambda: itertools.chain.from_iterable(document.slices() for document in documents),
    )
