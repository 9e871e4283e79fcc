"""What a man in the middle can do to each client command, and what he cannot: before the first contact, and later.

The server is the real one, rolled over once; so is the one that the man has of his own. The commands are the real ones, in
this process; and caucase.sh, in either shell.
"""
