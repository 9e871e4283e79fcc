"""Reads over HTTP, made by wrk (https://github.com/wg/wrk): it costs next to nothing, and keeps no answer."""

from __future__ import annotations

import os
import re
import subprocess
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.load import ADDRESS
from benchmarks.measure import Measured, Meter
from benchmarks.servers import BUILD, Server

# The paths in turns; afterwards a line with every thousandth of the latency's distribution, in microseconds.
_SCRIPT = """
local paths, next_path = {PATHS}, 0
request = function()
    next_path = next_path % #paths + 1
    return wrk.format("GET", paths[next_path])
end
done = function(summary, latency, requests)
    io.write("latency:")
    for thousandth = 1, 999 do io.write(" ", latency:percentile(thousandth / 10)) end
    io.write(" ", latency.max, "\\n")
    local errors = summary.errors
    io.write(string.format("count: %d %d %d %d\\n", summary.requests, summary.duration, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def measure(
    server: Server,
    paths: Sequence[str],
    *,
    clients: int,
    seconds: float,
    headers: Mapping[str, str] | None = None,
) -> Measured:
    """``GET`` each of ``paths`` over HTTP, in turns, for so many whole ``seconds``.

    A status from 400 on is a failure with status 400, one that was not answered one with status 0. ``latencies`` are
    the thousandths of the distribution.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    script = BUILD / f"paths-{os.getpid()}.lua"
    script.write_text(_SCRIPT.replace("PATHS", ",".join(f'"{path}"' for path in paths)))
    command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    meter = Meter(server)
    try:
        process = subprocess.Popen(
            [*command, f"http://{ADDRESS}:{server.port}"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        script.unlink()
    if process.returncode != 0:
        raise RuntimeError(f"wrk failed: {output}")
    measured = parse(output)
    measured.generator_cpu = usage.ru_utime + usage.ru_stime
    meter.stop(measured)
    return measured


def parse(output: str) -> Measured:
    """What the script above has printed."""
    latency = re.search(r"^latency: (.*)$", output, re.MULTILINE)
    counted = re.search(r"^count: (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if latency is None or counted is None:
        raise RuntimeError(f"wrk said something else: {output}")
    requests, microseconds, refused, lost = map(int, counted.groups())
    failures = Counter({400: refused, 0: lost})
    return Measured(
        seconds=microseconds / 1e6,
        done=requests - refused,
        answered=requests - refused,
        latencies=array("d", (float(value) / 1e6 for value in latency[1].split())),
        failures=+failures,
    )
