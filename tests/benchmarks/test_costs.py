"""From samples of perf and py-spy to buckets."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.costs import OTHER, PYTHON, bucket_of, executed, module_bucket_of, shares

SCRIPT = """\
python3.11
\t          26a512 [unknown] (/usr/lib/x86_64-linux-gnu/libcrypto.so.3)
\t          1299b5 [unknown] (/usr/lib/x86_64-linux-gnu/libcrypto.so.3)

caucased
\tffffffff82200809 _raw_spin_unlock_irqrestore ([kernel.kallsyms])
\tffffffff8170f6f2 __x64_sys_fdatasync ([kernel.kallsyms])
\tffffffff821ecc26 do_syscall_64 ([kernel.kallsyms])
\t           8e7d9 fdatasync (/usr/lib/x86_64-linux-gnu/libc.so.6)

caucased
\tffffffff81e2eb30 asm_exc_page_fault ([kernel.kallsyms])

caucased
\t          12b766 _PyEval_EvalFrameDefault (/usr/bin/python3.11)
"""


def test_what_perf_says() -> None:
    assert list(executed(SCRIPT)) == [
        "libcrypto.so.3:[unknown]",
        "kernel:fdatasync",
        "kernel:asm_exc_page_fault",
        "python3.11:_PyEval_EvalFrameDefault",
    ]


@pytest.mark.parametrize(
    ("sample", "bucket"),
    [
        ("libcrypto.so.3:[unknown]", "crypto"),
        ("_rust.abi3.so:[unknown]", "crypto"),
        ("libc.so.6:pthread_rwlock_rdlock@GLIBC_2.2.5", "crypto"),
        ("libsqlite3.so.0.8.6:sqlite3VdbeExec", "database"),
        ("kernel:fdatasync", "database"),
        ("_http_parser.cpython-311-x86_64-linux-gnu.so:[unknown]", "HTTP"),
        ("kernel:sendto", "HTTP"),
        ("kernel:epoll_wait", "HTTP"),
        ("kernel:futex", "threads"),
        ("libc.so.6:__futex_abstimed_wait_common", "threads"),
        ("python3.11:_PyEval_EvalFrameDefault", PYTHON),
        ("libc.so.6:malloc", "memory"),
        ("kernel:asm_exc_page_fault", "kernel"),
        ("libsystemd.so.0:sd_notify", OTHER),
    ],
)
def test_buckets(sample: str, bucket: str) -> None:
    assert bucket_of(sample) == bucket


@pytest.mark.parametrize(
    ("frames", "bucket"),
    [
        ("Runner.run (asyncio/runners.py:118);sign (caucase/authority/requests.py:150)", "use cases"),
        ("sign (caucase/authority/requests.py:150);read (caucase/store/db.py:96)", "database"),
        (
            "sign (caucase/authority/requests.py:150);read (caucase/store/db.py:96);helper (contextlib.py:289)",
            "database",
        ),
        ("x (caucase/authority/issuer.py:51);issue (caucase/core/issue.py:65)", "crypto"),
        ("x (caucase/server/app.py:1);resolve (aiohttp/web_urldispatcher.py:367)", "HTTP"),
        ("Thread.run (threading.py:975);_worker (concurrent/futures/thread.py:83)", "threads"),
        ("main (somewhere.py:8)", OTHER),
    ],
)
def test_the_innermost_file_that_is_known_counts(frames: str, bucket: str) -> None:
    assert module_bucket_of(f'process 1:"caucased";{frames}') == bucket


def test_the_interpreters_share_is_divided() -> None:
    native, python = Counter({"crypto": 60, PYTHON: 40}), Counter({"HTTP": 3, "use cases": 1})
    assert shares(native, python) == {"crypto": 60.0, "Python: HTTP": 30.0, "Python: use cases": 10.0}
    assert shares(native, Counter()) == {"crypto": 60.0, PYTHON: 40.0}
