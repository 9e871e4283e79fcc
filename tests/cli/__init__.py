"""The commands, called as functions."""
