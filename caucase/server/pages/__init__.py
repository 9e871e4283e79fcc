"""Pages for people: the console at ``/ui/``, and the question whether a web origin may use the user's rights.

A module for each page: what the authority says, as a frozen dataclass that a template of the same name shows. All
words are in ``texts``, what strangers have written goes through ``visible``. Nothing is changed here but a cookie:
what a person decides in the console goes to the same API that programs use, with its methods (PUT, DELETE), which no
form of another site can send.
"""

from caucase.server.pages import assets, changes, consent, issued, overview, record, requests, trust

__all__ = ["assets", "changes", "consent", "issued", "overview", "record", "requests", "trust"]
