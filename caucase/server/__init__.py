"""HTTP: bytes to a typed request, one method of the authority, its result back to bytes.

It decides nothing about certificates, and opens no database. The only package that knows aiohttp.
"""
