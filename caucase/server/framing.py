"""Where requests begin and end on a connection (RFC 9112), strictly: a gate in front of aiohttp's parser.

What could be read in two ways is refused here, so that a proxy and this server never see different requests, and
no version of aiohttp matters: Debian 12's takes bare line feeds, folded lines, and two bytes of anything after a chunk.
What passes is in one form: no absolute targets, no Upgrade, no chunk extensions, no trailers. Bytes in, bytes out: it
never waits, and holds no more of a request than the part whose end has not come yet.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

NONSENSE = b"\0\r\n\r\n"
"""What no parser takes, at the beginning of a request or of a chunk: it makes aiohttp answer in its turn."""

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 section 5.6.2
_TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
_REQUEST_LINE = re.compile(
    rb"(%s) ([!\"$-~]+) HTTP/([0-9])\.([0-9])\r\n" % _TOKEN
)  # no fragment: RFC 9112, 3.2
_FIELDS = re.compile(rb"(?:%s:%s\r\n)*\r\n" % (_TOKEN, _TEXT))
_OF_INTEREST = re.compile(
    rb"^(content-length|transfer-encoding|host|upgrade):[\t ]*(.*?)[\t ]*\r\n", re.IGNORECASE | re.MULTILINE
)
_UPGRADE = re.compile(rb"(?<=\n)upgrade:.*\n", re.IGNORECASE)
# RFC 3986 section 3.2.2, without what no name of a host has.
_AUTHORITY = rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%-]+)(?::[0-9]*)?"
_ABSOLUTE = re.compile(rb"https?://%s(?=[/?]|$)" % _AUTHORITY, re.IGNORECASE)  # RFC 9112 section 3.2.2
_HOST = re.compile(rb"(?:%s)?" % _AUTHORITY)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[\t ]*;%s)?\r\n" % _TEXT)

_END = b"\r\n\r\n"
# Method, version and what separates them, on top of the target.
_REQUEST_LINE_REST = 64
# Of the line before a chunk; extensions have no meaning here.
_CHUNK_LINE_LIMIT = 1024
# Of one body. Each costs time, however small; a client that sends a key in pieces sends a few.
_CHUNKS_LIMIT = 16_384


@dataclass(frozen=True, kw_only=True)
class HeadLimits:
    """``size``: bytes of request line and headers. ``count``: headers. ``url_length``: bytes of the target."""

    size: int
    count: int
    url_length: int


class _Part(enum.Enum):
    """Of a request; what comes next."""

    HEAD = enum.auto()
    BODY = enum.auto()
    CHUNK_LINE = enum.auto()
    CHUNK = enum.auto()
    CHUNK_END = enum.auto()
    TRAILERS = enum.auto()
    NOTHING = enum.auto()  # any more: the rest has no meaning


class Refused(Exception):
    """The head or the framing of a body is not acceptable. ``status``: what to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Gate:
    """The requests of one connection, one after the other."""

    __slots__ = ("_chunks", "_left", "_limits", "_part", "_tail")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._part = _Part.HEAD
        self._tail = b""
        self._left = 0
        self._chunks = 0

    @property
    def is_between(self) -> bool:
        """Whether the next byte would be the first of a request."""
        return self._part is _Part.HEAD and not self._tail

    @property
    def expects_head(self) -> bool:
        """Whether what comes next belongs to a head."""
        return self._part is _Part.HEAD

    @property
    def in_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        return self._part is _Part.HEAD and bool(self._tail)

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What of ``data`` can be passed on, and what comes after the end of the request that it belongs to.

        Refused: then nothing that follows has a meaning, and nothing more may be fed.
        """
        if self._part is _Part.NOTHING:
            return b"", b""
        try:
            return self._head(self._tail + data) if self._part is _Part.HEAD else self._body(data)
        except Refused:
            self.end()
            raise

    def end(self) -> None:
        """Pass nothing more."""
        self._part, self._tail = _Part.NOTHING, b""

    # Head

    def _head(self, data: bytes) -> tuple[bytes, bytes]:
        # RFC 9112 section 2.2: one empty line before a request is to be ignored.
        start = 2 if data.startswith(b"\r\n") else 0
        found = data.find(_END, max(start, len(self._tail) - len(_END)))
        end = found + len(_END)
        if found < 0 or end - start > self._limits.size:
            self._check_beginning(data[start:])
            self._tail = data
            return b"", b""
        self._tail = b""
        head = self._accept(data[start:end])
        rest = data[end:]
        if self._part is _Part.HEAD:
            return head, rest
        body, rest = self._body(rest)
        return head + body, rest

    def _check_beginning(self, data: bytes) -> None:
        """Refuse at once what cannot become a head, so that nobody waits for its end."""
        line, ended, _ = data.partition(b"\r\n")
        if len(line) > self._limits.url_length + _REQUEST_LINE_REST:
            raise Refused(414)
        if len(data) >= self._limits.size:
            raise Refused(431)
        if ended:
            self._request_line(data)
        elif data and not re.match(_TOKEN, data) and data != b"\r":
            raise Refused(400)
        if _BARE_LINE_FEED.search(data):
            raise Refused(400)

    def _request_line(self, head: bytes) -> re.Match[bytes]:
        match = _REQUEST_LINE.match(head)
        if match is None:
            raise Refused(400)
        _, target, major, minor = match.groups()
        if len(target) > self._limits.url_length:
            raise Refused(414)
        if major != b"1" or minor not in b"01":
            raise Refused(505)
        return match

    def _accept(self, head: bytes) -> bytes:
        """The head as it is passed on; sets what comes next."""
        line = self._request_line(head)
        if not _FIELDS.fullmatch(head, line.end()):
            raise Refused(400)
        if head.count(b"\n") - 2 > self._limits.count:
            raise Refused(431)
        method, target, _, minor = line.groups()
        if method == b"CONNECT":  # to be a tunnel is nothing that this server does
            raise Refused(501)
        if not target.startswith(b"/") and not (method == b"OPTIONS" and target == b"*"):
            match = _ABSOLUTE.match(target)
            if match is None:
                raise Refused(400)
            rest = target[match.end() :]
            origin_form = rest if rest.startswith(b"/") else b"/" + rest
            head = b"".join((method, b" ", origin_form, b" HTTP/1.", minor, b"\r\n", head[line.end() :]))
        # Most heads have none of these but Host, and three more names are no slower than one.
        fields: dict[bytes, bytes] = {}
        for name, value in _OF_INTEREST.findall(head):
            key = name.lower()
            if key in fields and key != b"upgrade":
                raise Refused(400)
            fields[key] = value
        # RFC 9112 section 3.2. Nothing here depends on its value, but what is in front may.
        host = fields.get(b"host")
        if (host is None and minor == b"1") or (host is not None and not _HOST.fullmatch(host)):
            raise Refused(400)
        self._set_framing(fields, minor)
        return _UPGRADE.sub(b"", head) if b"upgrade" in fields else head

    def _set_framing(self, fields: dict[bytes, bytes], minor: bytes) -> None:
        """RFC 9112 section 6.3, and nothing of what it tolerates."""
        coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
        if coding is not None:
            if length is not None or minor == b"0":
                raise Refused(400)
            if coding.lower() != b"chunked":
                raise Refused(501)
            self._part, self._chunks = _Part.CHUNK_LINE, 0
        elif length is not None:
            if not _LENGTH.fullmatch(length):
                raise Refused(400)
            self._left = int(length)
            self._part = _Part.BODY if self._left else _Part.HEAD

    # Body

    def _body(self, data: bytes) -> tuple[bytes, bytes]:
        if self._part is _Part.BODY:
            passed, rest = data[: self._left], data[self._left :]
            self._left -= len(passed)
            if not self._left:
                self._part = _Part.HEAD
            return passed, rest
        return self._chunked(self._tail + data)

    def _chunked(self, data: bytes) -> tuple[bytes, bytes]:
        """All chunks that are there become one."""
        pieces: list[bytes] = []
        at = 0
        self._tail = b""
        is_broken = False
        while at < len(data) and self._part is not _Part.HEAD:
            if self._part is _Part.CHUNK:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._part = _Part.CHUNK_END
                continue
            end = data.find(b"\n", at) + 1
            line = data[at:end] if end else data[at:]
            if self._is_wrong(line, complete=bool(end)):
                is_broken = True
                break
            if not end:
                self._tail = line
                break
            at = end
            self._take_line(line)
        body = b"".join(pieces)
        passed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        if is_broken:
            # Not raised: the request has been passed on, and has to fail in its turn.
            self.end()
            return passed + NONSENSE, b""
        if self._part is _Part.HEAD:
            passed += b"0\r\n\r\n"
        return passed, data[at:] if not self._tail else b""

    def _is_wrong(self, line: bytes, *, complete: bool) -> bool:
        """Whether a line between chunks, or the beginning of one, is not what it has to be."""
        if self._part is _Part.CHUNK_END:
            return line != b"\r\n" if complete else line != b"\r"
        if self._part is _Part.CHUNK_LINE:
            if not complete:
                return len(line) > _CHUNK_LINE_LIMIT
            return self._chunks >= _CHUNKS_LIMIT or _CHUNK.fullmatch(line) is None
        # Trailers are limited like the head; they are counted up from 0, the size of the last chunk.
        if self._left + len(line) > self._limits.size:
            return True
        return complete and line != b"\r\n" and _FIELDS.fullmatch(line + b"\r\n") is None

    def _take_line(self, line: bytes) -> None:
        if self._part is _Part.CHUNK_END:
            self._part = _Part.CHUNK_LINE
        elif self._part is _Part.CHUNK_LINE:
            self._chunks += 1
            match = _CHUNK.fullmatch(line)
            assert match is not None, "checked before"
            self._left = int(match[1], 16)
            self._part = _Part.CHUNK if self._left else _Part.TRAILERS
        else:
            self._left += len(line)
            if line == b"\r\n":
                self._part = _Part.HEAD
