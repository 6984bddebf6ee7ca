"""Who stands in the audit log for what a command does: the person at the keyboard."""

from __future__ import annotations

import os
import pwd

LONGEST = 32  # characters of a name, as Linux has them
ROOT = 0


def operator() -> str:
    """`operator alice (uid 1000)`: the login name and user id of whoever runs this command.

    Under sudo that is who called it, not root. Only root is believed about that: anybody may set
    an environment, but sudo alone makes a root of it.
    """
    user, sudo_user, sudo_uid = os.getuid(), os.environ.get("SUDO_USER", ""), os.environ.get("SUDO_UID", "")
    if user == ROOT and sudo_user and sudo_uid.isascii() and sudo_uid.isdecimal():
        return f"operator {_plain(sudo_user)} (uid {int(sudo_uid[:10])}, sudo)"
    return f"operator {_plain(_name_of(user))} (uid {user})"


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # an account of another machine, a container's number
        return str(user)


def _plain(name: str) -> str:
    """A name fit for a log: nothing that moves the cursor or looks like another field."""
    return "".join(each for each in name if each.isalnum() or each in "._-@$")[:LONGEST] or "?"
