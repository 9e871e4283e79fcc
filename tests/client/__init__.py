"""The client against a simulated server that also does what no good server does."""
