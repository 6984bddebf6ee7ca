"""Trusted Service Manager SMS gateway."""

__version__ = "0.1.0"
