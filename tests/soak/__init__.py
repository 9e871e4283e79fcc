"""A server under fault: what was answered is there afterwards, whatever happened meanwhile."""
