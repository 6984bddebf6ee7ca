"""The architecture, enforced: who may import whom, where IO may happen, how long things may get.

The table is that of `tsm_gateway/README.md`. Every rule is a function from one module to a list of
complaints, so the same rules run over the package and over small examples of what they must catch.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "tsm_gateway"
LONGEST_FILE = 400
LONGEST_FUNCTION = 60

BASE = ("errors", "messages", "secret")
LAYERS = {  # layer -> what it may import besides itself, as prefixes below tsm_gateway
    "errors": (),
    "messages": (),
    "secret": (),
    "radio": BASE,
    "keys": BASE,
    "registry": BASE,
    "envelope": (*BASE, "keys"),
    "outbound": (*BASE, "keys", "envelope", "radio.sms"),
    "relay": (*BASE, "envelope", "keys", "registry", "outbound", "radio.sms.join"),
    "store": (*BASE, "registry", "relay.interfaces", "relay.reasons", "relay.states"),
    "provisioning": (*BASE, "keys", "envelope", "registry"),
    "virtual": (*BASE, "radio"),
    "daemon": (*BASE, "radio", "keys", "registry", "envelope", "outbound", "relay", "store", "provisioning"),
    "cli": (
        *(*BASE, "radio", "keys", "registry", "envelope", "outbound", "relay", "store", "provisioning"),
        *("daemon", "virtual"),
    ),
    "__init__": (),
    "__main__": ("cli",),
}
MAY_USE_CRYPTOGRAPHY = ("envelope", "keys", "outbound", "provisioning", "virtual")
RUNS_THINGS = ("daemon", "cli", "virtual", "__main__")
VIRTUAL_COMMANDS = ("demo", "virtual")  # modules of cli, loaded when their verb is called
LINKS_LIVE_IN = ("radio", "outbound", "provisioning")
STORES_LIVE_IN = ("store", "keys", "provisioning")

# What a module without IO may import of others. A list of what it may not would have to name every way
# to a socket, a clock or chance, and there are always more.
PURE_MODULES = frozenset(
    {
        *("__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "dataclasses"),
        *("datetime", "enum", "errno", "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools"),
        *("json", "math", "operator", "re", "string", "struct", "textwrap", "types", "typing", "zlib"),
        *("cbor2", "cryptography", "smpplib", "sqlalchemy"),
    }
)
# Of those: where IO begins, and where the first argument names a module or a function.
NOT_PURE = (
    "smpplib.client",
    "sqlalchemy.create_engine",
    "sqlalchemy.engine",
    "sqlalchemy.orm",
    "sqlalchemy.event",
)
EXCUSED = {  # (file, module): why
    (
        "store/failures.py",
        "sqlite3",
    ): "names that module's exceptions in order to translate them; opens nothing",
    ("provisioning/cap_archive.py", "zipfile"): "unpacks octets that it was given; touches no file",
    ("provisioning/cap_archive.py", "io"): "the reader of archives takes octets as a stream only",
}
IO_NAMES = frozenset({"open", "print", "input", "breakpoint"})  # by any use: a name kept is a name called
CLOCKS = frozenset({"now", "utcnow", "today"})  # of what is imported from datetime
CHANCE = ("generate",)  # how the crypto library names what draws a key
NEVER_IMPORT = frozenset({"pickle", "marshal", "shelve", "cPickle", "dill", "imp", "runpy"})
NEVER_CALL = frozenset({"os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "pickle.loads"})
NEVER_NAME = frozenset(
    {"eval", "exec", "__import__", "__builtins__", "globals"}
)  # ways round every rule here
LOADS_BY_NAME = ("cli",)  # the table of verbs: a command is imported when it is called


class Module(NamedTuple):
    """One parsed file of the package."""

    path: PurePosixPath  # below tsm_gateway: radio/sms/join.py
    tree: ast.Module
    lines: int

    @property
    def layer(self) -> str:
        return self.path.parts[0].removesuffix(".py")

    @property
    def may_do_io(self) -> bool:
        return (
            self.layer in RUNS_THINGS
            or self.path.stem.endswith(("_link", "_store"))
            or self.path.parts[:2] == ("store", "migrations")
        )


GUARDS = ("TYPE_CHECKING", "typing.TYPE_CHECKING")  # nothing else keeps an import from happening


class Import(NamedTuple):
    """One imported module, `from x import y` as both x and x.y."""

    name: str
    line: int
    for_types_only: bool
    lazy: bool  # inside a function


def parse(path: str, text: str) -> Module:
    return Module(PurePosixPath(path), ast.parse(text), text.count("\n") + 1)


def imports(module: Module) -> Iterator[Import]:
    def walk(node: ast.AST, *, types: bool, lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, types, lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                above = child.module or ""
                if child.level:  # a relative import, spelt out
                    here = (PACKAGE, *module.path.parts)[: -child.level]
                    above = ".".join((*here, above)).rstrip(".")
                yield Import(above, child.lineno, types, lazy)
                yield from (
                    Import(f"{above}.{alias.name}", child.lineno, types, lazy) for alias in child.names
                )
            if isinstance(child, ast.If) and ast.unparse(child.test) in GUARDS:
                yield from walk(ast.Module(child.body, []), types=True, lazy=lazy)
                yield from walk(ast.Module(child.orelse, []), types=types, lazy=lazy)
                continue
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from walk(child, types=types, lazy=lazy or inside)

    yield from walk(module.tree, types=False, lazy=False)


def under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def imports_only_what_its_layer_may(module: Module) -> Iterator[str]:
    allowed = (*LAYERS.get(module.layer, ()), module.layer)
    for found in imports(module):
        ours = found.name.removeprefix(PACKAGE + ".")
        if ours == found.name or ("." not in ours and ours not in LAYERS):
            continue  # a stranger's module, or a plain name of the package such as __version__
        if not any(under(ours, prefix) or under(prefix, ours) for prefix in allowed):
            yield f"line {found.line}: {module.layer} may not import {found.name}"


def only_its_commands_import_virtual(module: Module) -> Iterator[str]:
    if module.layer != "cli" or module.path.stem.startswith(VIRTUAL_COMMANDS):
        return
    for found in imports(module):
        of_a_command = found.name.removeprefix(f"{PACKAGE}.cli.").startswith(VIRTUAL_COMMANDS)
        if (under(found.name, f"{PACKAGE}.virtual") or of_a_command) and not found.lazy:
            yield f"line {found.line}: {found.name} belongs to the demo and virtual commands"


def does_io_only_where_its_name_says_so(module: Module) -> Iterator[str]:
    if module.may_do_io:
        return
    for found in imports(module):
        name = found.name
        if found.for_types_only:
            continue
        first = name.partition(".")[0]
        pure = first in PURE_MODULES and not any(under(name, each) for each in NOT_PURE)
        if first != PACKAGE and not pure and (str(module.path), first) not in EXCUSED:
            yield f"line {found.line}: imports {name}"
        if under(name, PACKAGE) and name.endswith(("_link", "_store")):
            yield f"line {found.line}: imports {name}, which does IO"
    yield from _uses_of_clock_chance_and_files(module)


def _uses_of_clock_chance_and_files(module: Module) -> Iterator[str]:
    of_datetime = names_bound_from(module, "datetime")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in IO_NAMES:
            yield f"line {node.lineno}: uses {node.id}"
        elif isinstance(node, ast.Attribute):
            root = ast.unparse(node.value).partition(".")[0]
            if node.attr.startswith(CHANCE) or (node.attr in CLOCKS and root in of_datetime):
                yield f"line {node.lineno}: uses {ast.unparse(node)}"
        elif isinstance(node, ast.alias) and node.name.startswith(CHANCE):
            yield f"line {node.lineno}: imports {node.name}"


def names_bound_from(module: Module, stranger: str) -> set[str]:
    """The names under which a module, or what is in it, is known here."""
    bound = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            bound |= {each.asname or each.name for each in node.names if under(each.name, stranger)}
        elif isinstance(node, ast.ImportFrom) and under(node.module or "", stranger):
            bound |= {each.asname or each.name for each in node.names}
    return bound


def wears_its_suffix_in_the_right_room(module: Module) -> Iterator[str]:
    if module.path.stem.endswith("_link") and module.layer not in LINKS_LIVE_IN:
        yield f"a link belongs into one of {LINKS_LIVE_IN}"
    if module.path.stem.endswith("_store") and module.layer not in STORES_LIVE_IN:
        yield f"a store belongs into one of {STORES_LIVE_IN}"


def uses_cryptography_only_in_its_rooms(module: Module) -> Iterator[str]:
    for found in imports(module):
        outside = module.layer not in MAY_USE_CRYPTOGRAPHY and not found.for_types_only
        if under(found.name, "cryptography") and outside:
            yield f"line {found.line}: {module.layer} may not import {found.name}"


def never_runs_what_it_reads(module: Module) -> Iterator[str]:
    for found in imports(module):
        first = found.name.partition(".")[0]
        if first in NEVER_IMPORT or (
            first in {"importlib", "builtins"} and module.layer not in LOADS_BY_NAME
        ):
            yield f"line {found.line}: imports {found.name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in NEVER_NAME:
            yield f"line {node.lineno}: uses {node.id}"
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) in NEVER_CALL:
                yield f"line {node.lineno}: calls {ast.unparse(node.func)}"
            if any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in node.keywords):
                yield f"line {node.lineno}: runs a shell"


def stays_small(module: Module) -> Iterator[str]:
    if module.lines > LONGEST_FILE:
        yield f"{module.lines} lines: split it by noun"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"line {node.lineno}: {node.name} has {length} lines"


Rule = Callable[[Module], Iterator[str]]
RULES: tuple[Rule, ...] = (
    imports_only_what_its_layer_may,
    only_its_commands_import_virtual,
    does_io_only_where_its_name_says_so,
    wears_its_suffix_in_the_right_room,
    uses_cryptography_only_in_its_rooms,
    never_runs_what_it_reads,
    stays_small,
)


@cache
def package() -> list[Module]:
    top = ROOT / PACKAGE
    files = sorted(top.rglob("*.py"))
    return [parse(file.relative_to(top).as_posix(), file.read_text("utf-8")) for file in files]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module(rule: Rule) -> None:
    complaints = [f"{module.path}: {text}" for module in package() for text in rule(module)]
    assert not complaints, "\n".join(complaints)


def test_every_folder_is_a_known_layer() -> None:
    assert {module.layer for module in package()} <= set(LAYERS)


CAUGHT = [
    (imports_only_what_its_layer_may, "radio/a.py", "from tsm_gateway.relay import intake"),
    (imports_only_what_its_layer_may, "radio/a.py", "from tsm_gateway import relay"),
    (imports_only_what_its_layer_may, "radio/sms/a.py", "from ...keys import derive"),
    (imports_only_what_its_layer_may, "outbound/a.py", "import tsm_gateway.radio.smpp.pdu"),
    (imports_only_what_its_layer_may, "virtual/a.py", "def f():\n    from tsm_gateway.envelope import cose"),
    (imports_only_what_its_layer_may, "virtual/a.py", "import tsm_gateway.store.sqlite_store"),
    (imports_only_what_its_layer_may, "daemon/a.py", "import tsm_gateway.virtual.air"),
    (imports_only_what_its_layer_may, "errors.py", "from tsm_gateway.messages import Fate"),
    (only_its_commands_import_virtual, "cli/a.py", "from tsm_gateway.virtual import air"),
    (only_its_commands_import_virtual, "cli/a.py", "from tsm_gateway.cli.virtual_pay import pay"),
    (does_io_only_where_its_name_says_so, "relay/a.py", "import time"),
    (does_io_only_where_its_name_says_so, "relay/a.py", "from os import path"),
    (does_io_only_where_its_name_says_so, "relay/a.py", "from tsm_gateway.store import sqlite_store"),
    (
        does_io_only_where_its_name_says_so,
        "keys/a.py",
        "from tsm_gateway.keys.master_store import read_master",
    ),
    (does_io_only_where_its_name_says_so, "keys/a.py", "open('x')"),
    (does_io_only_where_its_name_says_so, "keys/a.py", "import datetime\ndatetime.datetime.now()"),
    (does_io_only_where_its_name_says_so, "keys/a.py", "AESGCM.generate_key(256)"),
    (does_io_only_where_its_name_says_so, "keys/a.py", "import datetime as dt\nclock = dt.datetime.now"),
    (does_io_only_where_its_name_says_so, "keys/a.py", "from datetime import date as d\nd.today()"),
    (does_io_only_where_its_name_says_so, "keys/a.py", "X25519PrivateKey.generate()"),
    (does_io_only_where_its_name_says_so, "keys/a.py", "from cryptography.x import generate_private_key"),
    (does_io_only_where_its_name_says_so, "relay/a.py", "reads = open\nreads('x')"),
    *(
        (does_io_only_where_its_name_says_so, "relay/a.py", f"import {name}")
        for name in ("ctypes", "posix", "_socket", "codecs", "linecache", "smtplib", "gc", "smpplib.client")
    ),
    (does_io_only_where_its_name_says_so, "store/a.py", "from sqlalchemy import create_engine"),
    *(
        (does_io_only_where_its_name_says_so, "relay/a.py", f"{guard}\n    import os")
        for guard in (
            "if not TYPE_CHECKING:",
            "if TYPE_CHECKING or True:",
            "if TYPE_CHECKING:\n    pass\nelse:",
        )
    ),
    (
        uses_cryptography_only_in_its_rooms,
        "daemon/a.py",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import cryptography",
    ),
    (wears_its_suffix_in_the_right_room, "relay/a_link.py", ""),
    (wears_its_suffix_in_the_right_room, "radio/a_store.py", ""),
    (uses_cryptography_only_in_its_rooms, "relay/a.py", "from cryptography import x509"),
    (never_runs_what_it_reads, "cli/a.py", "import pickle"),
    (never_runs_what_it_reads, "cli/a.py", "eval('1')"),
    (
        never_runs_what_it_reads,
        "virtual/a.py",
        "import importlib\nimportlib.import_module('tsm_gateway.keys')",
    ),
    (never_runs_what_it_reads, "virtual/a.py", "__import__('tsm_gateway.keys')"),
    (never_runs_what_it_reads, "relay/a.py", "getattr(__builtins__, 'open')('x')"),
    (never_runs_what_it_reads, "cli/a.py", "import subprocess\nsubprocess.run('ls', shell=True)"),
    (never_runs_what_it_reads, "cli/a.py", "import yaml\nyaml.load(text)"),
    (stays_small, "cli/a.py", "\n" * LONGEST_FILE),
    (stays_small, "cli/a.py", "def f():\n" + "    f()\n" * LONGEST_FUNCTION),
]


@pytest.mark.parametrize(("rule", "path", "text"), CAUGHT)
def test_a_breach_is_caught(rule: Rule, path: str, text: str) -> None:
    assert list(rule(parse(path, text)))


ALLOWED = [
    (
        imports_only_what_its_layer_may,
        "outbound/a.py",
        "from tsm_gateway.radio.sms.header import build_header",
    ),
    (imports_only_what_its_layer_may, "cli/a.py", "from tsm_gateway import __version__"),
    (only_its_commands_import_virtual, "cli/virtual_pay.py", "from tsm_gateway.virtual import air"),
    (only_its_commands_import_virtual, "cli/a.py", "def f():\n    from tsm_gateway.virtual import air"),
    (does_io_only_where_its_name_says_so, "relay/a.py", "if TYPE_CHECKING:\n    from pathlib import Path"),
    (does_io_only_where_its_name_says_so, "radio/a_link.py", "import socket"),
    (does_io_only_where_its_name_says_so, "relay/a.py", "def f(batch):\n    return batch.now"),
    (never_runs_what_it_reads, "cli/a.py", "import importlib\nimportlib.import_module('x')"),
    (does_io_only_where_its_name_says_so, "store/migrations/env.py", "import os"),
    (never_runs_what_it_reads, "cli/a.py", "import subprocess\nsubprocess.run(['ls'], shell=False)"),
    (stays_small, "cli/a.py", "\n" * (LONGEST_FILE - 1)),
]


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED)
def test_what_is_allowed_passes(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(parse(path, text)))
