"""The use cases: submit, sign, reject, renew, revoke, publish lists, roll over, prune. Owns transactions and
audit.

It decides with ``core`` and keeps with ``store``. It knows no HTTP, file, socket or log: a credential file, a
clock and an audit sink are handed in.
"""

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.authority import Authority
from caucase.authority.context import ContextAuthority
from caucase.authority.document import Document
from caucase.authority.examination import ContextContent, Examination, examine
from caucase.authority.holders import Holder, Unusable, holders
from caucase.authority.https import CredentialFile
from caucase.authority.inspection import inspect, netloc_of
from caucase.authority.list_documents import ListDocuments
from caucase.authority.policy import ContextName, ContextPolicy, Policy
from caucase.authority.principal import Principal
from caucase.authority.record import (
    PAGE_LIMIT,
    ChainState,
    EntryPage,
    IssuedCertificate,
    Numbered,
    Page,
    Query,
    Record,
    heads,
    report_heads,
    verify,
)
from caucase.authority.record import size as record_size
from caucase.authority.recovery import Recovery
from caucase.authority.requests import PendingRequest
from caucase.authority.status import CaStatus, ContextStatus, ListStatus, Status, UserStatus
from caucase.authority.takeover import TakenOver, take_over
from caucase.authority.use_case import Later, Storage, UseCase, Work
from caucase.store import Transaction, Write
from caucase.store.requests import REQUEST_ID_BITS, RequestId

__all__ = [
    "PAGE_LIMIT",
    "REQUEST_ID_BITS",
    "AuditEvent",
    "AuditSink",
    "Authority",
    "CaStatus",
    "ChainState",
    "ContextAuthority",
    "ContextContent",
    "ContextName",
    "ContextPolicy",
    "ContextStatus",
    "CredentialFile",
    "Document",
    "EntryPage",
    "Examination",
    "Holder",
    "IssuedCertificate",
    "Later",
    "ListDocuments",
    "ListStatus",
    "Numbered",
    "Page",
    "PendingRequest",
    "Policy",
    "Principal",
    "Query",
    "Record",
    "Recovery",
    "RequestId",
    "Status",
    "Storage",
    "TakenOver",
    "Transaction",
    "Unusable",
    "UseCase",
    "UserStatus",
    "Work",
    "Write",
    "examine",
    "heads",
    "holders",
    "inspect",
    "netloc_of",
    "record_size",
    "report_heads",
    "take_over",
    "verify",
]
