"""caucase: a private certificate authority that is installed with apt and then forgotten.

See docs/architecture.md for the house plan: which folder does what and who may import whom.
"""

__version__ = "1.0.0.dev0"
