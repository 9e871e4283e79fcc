"""Configuration files and the command-line options that mirror them, read strictly into frozen dataclasses.

The only package that knows YAML. It opens the file it is given and nothing else: no database, no key, no
socket.
"""
