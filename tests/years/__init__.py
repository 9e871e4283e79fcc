"""Years in a minute: a server and machines of all habits, on a clock that jumps from one event to the next."""
