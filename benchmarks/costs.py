"""The cost model: where the server's processor time goes, by a profile of all of its processes under load.

perf samples what the cores execute, the kernel included, a thousand times a second and without slowing the server
down: ``BUCKETS`` is the table that says which library and which system call belongs to what. The interpreter's own
time is divided further by what Python code it was running, of which py-spy takes samples in a second run, of threads
that hold the interpreter's lock: ``MODULES`` says which file belongs to what. Waiting is in none of the figures.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, processes, report, work
from benchmarks.measure import Measured, measure
from benchmarks.report import number
from benchmarks.servers import BUILD, OURS, OURS_EC, ROOT, Server, running, temporary_folder
from benchmarks.work import EC, RSA, Certified

NAME = "costs"

CLIENTS = 8
PYTHON = "Python"
OTHER = "other"

# What is executed, as "library:function" or "kernel:system call", to what it is for; the first that matches.
BUCKETS: tuple[tuple[str, str], ...] = (
    # OpenSSL 3 takes a lock wherever it looks an algorithm up.
    ("crypto", r"libcrypto|libssl|_rust\.abi3|_openssl\.abi3|_cffi_backend|_ssl\.|_hashlib|:pthread_rwlock"),
    ("crypto", r"kernel:getrandom"),
    ("database", r"libsqlite3|_sqlite3\."),
    (
        "database",
        r"kernel:(pread64|pwrite64|fdatasync|fsync|fcntl|ftruncate|lseek|fallocate|read|write|newfstatat)$",
    ),
    (
        "HTTP",
        r"_http_parser|_http_writer|_helpers\.|_multidict|_quoting_c|_asyncio\.|_socket\.|select\.cpython",
    ),
    ("HTTP", r"kernel:(send|recv|accept|epoll|shutdown|close|setsockopt|getsockopt|getpeername|ioctl|fcntl)"),
    ("threads", r"kernel:(futex|sched_yield|schedule)|:.*futex|:pthread_(mutex|cond)|:sem_|_queue\."),
    (
        PYTHON,
        r"python3|libpython|_json\.|_struct\.|_datetime\.|_bisect|_contextvars|_typing|_pickle|unicodedata",
    ),
    ("memory", r"libc\.so"),
    ("kernel", r"^kernel:"),
)

# The innermost of a stack's files that is here says what the interpreter is busy with.
MODULES: tuple[tuple[str, str], ...] = (
    ("crypto", r"cryptography/|caucase/core/|ssl\.py"),
    ("database", r"caucase/store/|sqlite3/"),
    ("HTTP", r"aiohttp/|asyncio/|multidict|yarl|http/|caucase/server/|attr/"),
    ("use cases", r"caucase/"),
    ("threads", r"threading\.py|concurrent/futures|queue\.py"),
)

_PY_SPY = ROOT / ".venv-bench" / "bin" / "py-spy"
# Neither tool tells when it has begun.
_ATTACH_SECONDS = 0.7
_FETCHES = 6  # of each, for that is over so soon
_SYSCALL = re.compile(r" __(?:x64|arm64)_sys_(\w+)")
_FRAME = re.compile(r"\s*[0-9a-f]+ (.+) \((.+)\)$")
_FILE = re.compile(r"\(([^()]+?)(?::\d+)?\)")


@dataclass(frozen=True, kw_only=True)
class Work:
    """Requests of one operation, for two runs; ``user``: who makes them, ``None`` for anybody over HTTP."""

    operation: str
    requests: Sequence[bytes]
    user: Path | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Profile every operation."""
    options = report.parser(__doc__).parse_args(arguments)
    seconds, count = (1.5, 600) if options.quick else (4.0, 6000)
    tables = []
    for title, program, kind in (("RSA-2048", OURS, RSA), ("EC P-256", OURS_EC, EC)):
        with temporary_folder() as folder, running(program, folder) as server:
            profiles = dict(_profiles(server, kind, folder, count, seconds))
        tables.append(_table(title, profiles))
    return report.publish(NAME, tables, [], write=options.write)


def bucket_of(executed: str) -> str:
    """The bucket of a sample of perf's, which is one of ``BUCKETS`` or ``OTHER``."""
    return next((bucket for bucket, pattern in BUCKETS if re.search(pattern, executed)), OTHER)


def module_bucket_of(stack: str) -> str:
    """The bucket of a stack of py-spy's, one line of its raw format without the count, by its innermost known file."""
    for file in reversed(_FILE.findall(stack)):
        for bucket, pattern in MODULES:
            if re.search(pattern, file):
                return bucket
    return OTHER


def executed(script: str) -> Iterator[str]:
    """What ``perf script -F comm,ip,sym,dso`` says was executed, each sample as ``BUCKETS`` wants it."""
    for block in script.split("\n\n"):
        frames = [match for line in block.splitlines()[1:] if (match := _FRAME.match(line))]
        if not frames:
            continue
        symbol, library = frames[0].groups()
        if library.startswith("[kernel"):
            called = _SYSCALL.search(block)
            yield f"kernel:{called[1] if called else symbol}"
        else:
            yield f"{library.rpartition('/')[2]}:{symbol}"


def shares(native: Counter[str], python: Counter[str]) -> dict[str, float]:
    """Percent of all time by bucket; the interpreter's is divided as ``python`` is, as ``Python: bucket``."""
    total, inside = native.total(), python.total()
    found: dict[str, float] = {}
    for bucket, samples in native.items():
        if bucket == PYTHON and inside:
            for name, part in python.items():
                found[f"{PYTHON}: {name}"] = 100 * samples / total * part / inside
        else:
            found[bucket] = 100 * samples / total
    return found


def _profiles(
    server: Server, kind: str, folder: Path, count: int, seconds: float
) -> Iterator[tuple[str, tuple[Measured, dict[str, float]]]]:
    """Every operation, with what it cost and its shares."""
    user = work.enrol(server, kind, folder)
    csrs = work.requests(kind, count)
    yield "submit", _profile(server, Work(operation="submit", requests=work.submissions(csrs)), seconds)
    # What is there already is recognised, and answered with its id.
    waiting = work.submit(server, "cas", csrs)
    yield (
        "sign",
        _profile(server, Work(operation="sign", requests=work.signatures(waiting), user=user), seconds),
    )
    # Those that were left over.
    rest = load.run(server.https(user), work.signatures(waiting), clients=CLIENTS, seconds=3600)
    assert set(rest.statuses) <= {204, 404}
    yield (
        "fetch",
        _profile(server, Work(operation="fetch", requests=work.fetches(waiting * _FETCHES)), seconds),
    )
    certified = [
        Certified(number=number, pem=pem) for number, pem in enumerate(work.fetch(server, "cas", waiting))
    ]
    renewals = Work(operation="renew", requests=work.renewals(kind, certified))
    yield "renew", _profile(server, renewals, seconds)
    yield (
        "revoke",
        _profile(server, Work(operation="revoke", requests=work.revocations(kind, certified)), seconds),
    )


def _profile(server: Server, what: Work, seconds: float) -> tuple[Measured, dict[str, float]]:
    """Once with perf and once with py-spy, on halves of the requests."""
    half = len(what.requests) // 2
    target = server.https(what.user) if what.user else server.http

    def under_load(requests: Sequence[bytes]) -> Measured:
        figures, _ = measure(server, target, requests, clients=CLIENTS, seconds=seconds)
        assert not figures.failures, (what.operation, figures.failures)
        return figures

    native, figures = _perf(server, lambda: under_load(what.requests[:half]))
    python = _py_spy(server, lambda: under_load(what.requests[half:]), seconds)
    return figures, shares(native, python)


def _perf(server: Server, under_load: Callable[[], Measured]) -> tuple[Counter[str], Measured]:
    data = BUILD / "perf.data"
    pids = ",".join(map(str, processes.tree(server.pid)))
    command = ["perf", "record", "--quiet", "-e", "cpu-clock", "-F", "997", "-g", "-o", str(data), "-p", pids]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as recorder:
        time.sleep(_ATTACH_SECONDS)
        figures = under_load()
        recorder.terminate()
        _, said = recorder.communicate()
    command = ["perf", "script", "-i", str(data), "-F", "comm,ip,sym,dso", "--no-inline"]
    script = subprocess.run(command, capture_output=True, text=True)
    data.unlink(missing_ok=True)
    assert script.returncode == 0, said + script.stderr
    return Counter(map(bucket_of, executed(script.stdout))), figures


def _py_spy(server: Server, under_load: Callable[[], Measured], seconds: float) -> Counter[str]:
    """Samples by bucket; a pause for each would make the server slower and the figures wrong, so there are none."""
    raw = BUILD / "py-spy.txt"
    command = [str(_PY_SPY), "record", "--nonblocking", "--gil", "--subprocesses", "--format", "raw"]
    command += [
        "--rate",
        "200",
        "--duration",
        str(max(1, round(seconds + _ATTACH_SECONDS))),
        "--output",
        str(raw),
    ]
    with subprocess.Popen(
        [*command, "--pid", str(server.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as sampler:
        time.sleep(_ATTACH_SECONDS)
        under_load()
        _, said = sampler.communicate()
    assert sampler.returncode == 0, said.decode()
    found: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        found[module_bucket_of(stack)] += int(count)
    raw.unlink()
    return found


def _table(title: str, profiles: dict[str, tuple[Measured, dict[str, float]]]) -> str:
    names = [bucket for bucket in dict.fromkeys(bucket for bucket, _ in BUCKETS) if bucket != PYTHON]
    inside = [f"{PYTHON}: {bucket}" for bucket in [*dict.fromkeys(bucket for bucket, _ in MODULES), OTHER]]

    def row(name: str, *buckets: str) -> tuple[str, ...]:
        return (
            name,
            *(number(sum(found.get(bucket, 0.0) for bucket in buckets)) for _, found in profiles.values()),
        )

    rows = [row(name, name) for name in [*names, OTHER]]
    rows += [row(PYTHON, *inside), *(row(name, name) for name in inside)]
    rows.append(("microseconds each", *(number(figures.server_us) for figures, _ in profiles.values())))
    return report.table((f"% with {title}", *profiles), rows)


if __name__ == "__main__":
    sys.exit(main())
