"""Keeps one certificate, its CA certificates and its revocation lists current: one pass, and done.

``look`` reads what is here, ``plan`` decides offline what is due, ``carry_out`` does it; ``one_pass`` is all three.
Time is systemd's business: a pass never waits for the next one.
"""

from caucase.client.updater.layout import Layout
from caucase.client.updater.look import Here, ListDates, RequestState, look
from caucase.client.updater.one_pass import Outcome, Surroundings, one_pass
from caucase.client.updater.plan import Plan, Task, plan, renewal_due

__all__ = [
    "Here",
    "Layout",
    "ListDates",
    "Outcome",
    "Plan",
    "RequestState",
    "Surroundings",
    "Task",
    "look",
    "one_pass",
    "plan",
    "renewal_due",
]
