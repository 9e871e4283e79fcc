"""The commands: thin. Each parses its arguments, calls what does the work, prints, returns an exit code."""
