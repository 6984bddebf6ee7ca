"""`--url` of the virtual handsets: only where a channel can listen is taken, before anything is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Site

WRONG = (
    "http://127.0.0.1:28444",
    "127.0.0.1:8444",
    "https://",
    "https://tsm.example:x",
    "https://tsm.example:0",
    "https://tsm.example:99999",
    "https://tsm.example/v1",
    "https://tsm.example?x=1",
    "https://{user}@tsm.example".format(user="me"),
    "https://[tsm",
)


@pytest.mark.parametrize("url", WRONG)
@pytest.mark.parametrize("command", ["deliver", "rekey", "enrol"])
def test_a_url_that_is_no_channel_s_is_told_in_a_sentence(site: Site, command: str, url: str) -> None:
    handset = site.folder / "handset.json"
    handset.write_text("{}", "ascii")
    provider = ("--provider", "sp:shop", "--provider-msisdn", "+4930999000")
    enrol = ("--tsm-root", handset, "--issuer", site.folder, *provider, "--out", site.folder / "out")
    options = enrol if command == "enrol" else ("--handset", handset)
    result = site("virtual", command, *options, "--url", url)
    assert (result.code, "https://tsm.example:8443" in result.err) == (2, True), result
