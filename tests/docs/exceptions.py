"""What the documents say, and no reader in the tests does; each with the reason."""

COMMANDS = {
    ("docs/disaster.md", "scp 'www:/var/lib/caucase-updater/*/ca?.crl.pem' ."): (
        "the machines of the tests have no SSH; the same files are put there when the machine is made"
    ),
}

BLOCKS = {
    ("docs/record.md", "python"): "run by tests/cli/test_list_crt.py::test_verified_by_both",
}
"""Blocks that are neither commands, nor what is seen, nor a file."""

FOLLOWED_ELSEWHERE = {
    "docs/api.md": "tests/server/test_api_examples.py runs every example of it against a server",
}
"""Documents whose commands are for other readers."""
