"""What timers and operators start on the server: one pass, and done.

A job knows nothing of the command line. It may run beside the server, on the same database.
"""
