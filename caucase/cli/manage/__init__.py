"""caucased-manage: what an operator or a timer does on the server itself, with the database at hand and without
the network.

One module for each action; ``action.py`` says what a module has to give, ``command.py`` puts them together.
"""

from caucase.cli.manage.command import main

__all__ = ["main"]
