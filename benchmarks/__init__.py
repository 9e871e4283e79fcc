"""The judge of how fast this project is: each module here asks one question, and prints figures and verdicts.

    make bench                              all of it
    python -m benchmarks.throughput --help  one question

``load`` and ``wrk`` make the load, ``servers`` and ``processes`` start and watch what is measured, ``work`` makes what
clients send, ``report`` judges and prints. Nothing here is ever imported by the project itself.
"""
