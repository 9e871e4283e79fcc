"""The pure core: X.509 in, X.509 out. No socket, file, database, clock, environment; imports errors only."""
