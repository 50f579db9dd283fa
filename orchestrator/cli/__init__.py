"""The ``statek`` command."""
