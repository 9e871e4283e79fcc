"""What no input may do, and inputs that try: ``python -m fuzz TARGET``.

``judge`` says when an input has done it, ``shapes`` are large inputs, a module of ``targets`` gives bytes to one part
of the program. ``corpus`` has small inputs that reach much of the code.
"""
