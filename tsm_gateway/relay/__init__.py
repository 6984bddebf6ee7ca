"""Decisions about payments: accept, route, retry; no IO of its own."""
