"""A group of commands in an order that tells something."""

from __future__ import annotations

import click


class InOrder(click.Group):
    """A group that lists its commands in the order of a thing's life, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """As they were added."""
        return list(self.commands)
