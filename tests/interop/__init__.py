"""Interoperability with caucase 0.9.17: its programs and this project's, in every pair, as black boxes.

These tests know the commands, the wire and the files, never the modules behind them: nothing here
imports ``caucase``.
"""
