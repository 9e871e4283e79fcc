"""What the machine gives: files, inherited sockets, systemd's notifications, the journal.

The only package that knows systemd. It takes no decision about certificates and knows no database.
"""
