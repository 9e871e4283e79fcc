"""Many clients in one process, which a test starts as a program of its own:

    crowd.py idle PORT COUNT        connects COUNT times and says nothing, again and again, until it is ended
    crowd.py honest PORT SECONDS    8 clients that ask as fast as they are answered; prints how often, and what went wrong

Each has an address of 127.0.0.0/8; idle ones are a hundred to each.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections import Counter

HONEST = 8
_REQUEST = b"GET /cas/crt/ca.crt.pem HTTP/1.1\r\nHost: localhost\r\n\r\n"
# So many connections are begun at once; else the queue of the listener would be all that is measured.
_AT_ONCE = 200


def _dial(port: int, source: str) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind((source, 0))
    connection.setblocking(False)
    connection.connect_ex(("127.0.0.1", port))
    return connection


def idle(port: int, count: int) -> None:
    selector = selectors.DefaultSelector()
    missing = [f"127.0.{1 + number // 100 // 250}.{1 + number // 100 % 250}" for number in range(count)]
    is_told = False
    while True:
        for source in missing[-_AT_ONCE:]:
            selector.register(_dial(port, source), selectors.EVENT_READ, source)
        del missing[-_AT_ONCE:]
        if not missing and not is_told:
            is_told = True
            print("connected", flush=True)
        for key, _ in selector.select(0.05):
            # The server has had enough of it.
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # a socket
            missing.append(key.data)


def honest(port: int, seconds: float) -> None:
    selector, outcomes = selectors.DefaultSelector(), Counter[str]()
    pending: dict[socket.socket, bytes] = {}

    def begin(source: str) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))
        connection.sendall(_REQUEST)
        pending[connection] = b""
        selector.register(connection, selectors.EVENT_READ, source)

    for number in range(HONEST):
        begin(f"127.0.9.{number + 1}")
    end = time.monotonic() + seconds
    slowest = 0.0
    asked = dict.fromkeys(pending, time.monotonic())
    while (now := time.monotonic()) < end:
        for key, _ in selector.select(end - now):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            data = connection.recv(65536)
            pending[connection] += data
            if not data:
                outcomes["closed"] += 1
                selector.unregister(connection)
                del pending[connection]
                begin(key.data)
            elif pending[connection].endswith(b"-----END CERTIFICATE-----\n"):
                outcomes[pending[connection][9:12].decode()] += 1
                pending[connection] = b""
                moment = time.monotonic()
                slowest = max(slowest, moment - asked.get(connection, moment))
                asked[connection] = moment
                connection.sendall(_REQUEST)
            elif b" 200 " not in pending[connection][:16]:
                outcomes[pending[connection][:30].decode(errors="replace")] += 1
                pending[connection] = b""
    print(outcomes.pop("200", 0), f"{slowest:.3f}", dict(outcomes))


if __name__ == "__main__":
    _, _what, _port, _number = sys.argv
    if _what == "idle":
        idle(int(_port), int(_number))
    else:
        honest(int(_port), float(_number))
