"""Tests of the HTTP server: a real one, on 127.0.0.1, over a real authority."""
