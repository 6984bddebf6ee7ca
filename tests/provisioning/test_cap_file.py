"""CAP files: what is read of a sound one, and that every unsound one is refused in words."""

from __future__ import annotations

import hashlib
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provisioning.malformed_caps import (
    MALFORMED,
    STATIC_ARRAY,
    archive,
    entries_of,
    put,
    sound,
    with_info,
)
from tsm_gateway.provisioning.application_errors import CapMalformed
from tsm_gateway.provisioning.cap_components import PackageInfo
from tsm_gateway.provisioning.cap_file import LARGEST, LOAD_ORDER, read_cap
from tsm_gateway.provisioning.cap_platform import FRAMEWORK, java_card_release
from tsm_gateway.virtual.cap_components import Release
from tsm_gateway.virtual.cap_writer import (
    APPLET_AID,
    FOLDER,
    PACKAGE_AID,
    cap_of,
    load_file_of,
    payment_cap,
    payment_load_file,
)

SIZES = (300, 1000, 4096, 16_620, 16_700, 32_768, 65_535)
TWO_APPLETS = (APPLET_AID, APPLET_AID + b"\x02")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("java_card", ["2.2.2", "3.0.5"])
@pytest.mark.parametrize("descriptor", [True, False])
def test_a_cap_file_is_read_as_it_was_written(size: int, java_card: str, descriptor: bool) -> None:
    octets = payment_cap(size, (3, 7), java_card=java_card, descriptor=descriptor)
    cap = read_cap(octets)
    assert cap.load_file == payment_load_file(octets)
    assert len(cap.load_file) == size
    assert cap.digest == hashlib.sha256(cap.load_file).digest()
    assert cap.file_digest == hashlib.sha256(octets).digest()
    assert (cap.package_aid, cap.package_version) == (PACKAGE_AID, (3, 7))
    assert cap.applet_aids == (APPLET_AID,)
    assert (cap.java_card, cap.cap_format) == (java_card, {"2.2.2": "2.1", "3.0.5": "2.2"}[java_card])
    assert [name for name, _ in cap.components] == [
        name for name in LOAD_ORDER if name != "Export" and (descriptor or name != "Descriptor")
    ]
    assert sum(length for _, length in cap.components) == size


def test_the_descriptor_is_left_out_where_that_is_asked() -> None:
    octets = payment_cap(3000)
    with_it, without_it = read_cap(octets), read_cap(octets, include_descriptor=False)
    assert without_it.load_file == payment_load_file(octets, descriptor=False)
    assert with_it.load_file.startswith(without_it.load_file)
    assert without_it.left_out == ("Descriptor",)
    assert with_it.digest != without_it.digest
    assert with_it.file_digest == without_it.file_digest


def test_all_applets_and_imports_are_told() -> None:
    cap = read_cap(payment_cap(3000, applet_aids=TWO_APPLETS))
    assert cap.applet_aids == TWO_APPLETS
    assert cap.imports == (
        PackageInfo(FRAMEWORK, (1, 6)),
        PackageInfo(bytes.fromhex("A0000000620001"), (1, 0)),
    )


def test_debug_and_components_of_a_maker_are_left_out() -> None:
    extra = {"Debug": b"\x0c\x00\x01\x00", "Vendor": b"\x80\x00\x00"}
    cap = read_cap(with_info("Debug", lambda info: info, sound() | extra))
    assert cap.left_out == ("Debug", "Vendor")
    assert cap.load_file == load_file_of(read_components(cap.load_file))
    assert b"\x0c\x00\x01\x00" not in cap.load_file[-4:]


def read_components(load_file: bytes) -> dict[str, bytes]:
    names = {octets[0]: name for name, octets in sound().items()}
    found = {}
    while load_file:
        end = 3 + int.from_bytes(load_file[1:3], "big")
        found[names[load_file[0]]], load_file = load_file[:end], load_file[end:]
    return found


def test_a_descriptor_that_was_stripped_afterwards_is_not_missed() -> None:
    components = sound()
    del components["Descriptor"]  # and the Directory still names it
    assert "Descriptor" not in dict(read_cap(cap_of(components)).components)


def test_other_files_beside_the_components_are_no_matter() -> None:
    others = [("APPLET-INF/applet.xml", b"<a/>"), ("tsm/payment/Payment.class", b"\xca\xfe\xba\xbe")]
    cap = read_cap(archive([*others, *entries_of(sound())]))
    assert cap.load_file == load_file_of(sound())


def test_a_package_at_the_top_of_the_archive_is_found() -> None:
    assert read_cap(cap_of(sound(), "javacard/")).package_aid == PACKAGE_AID


def test_a_package_name_is_told_fit_for_a_terminal() -> None:
    cap = read_cap(with_info("Header", lambda info: info[:-1] + b"\x08tsm/\x1b[2J"))
    assert cap.package_name == "tsm/?[2J"


def test_initialised_arrays_are_counted() -> None:
    sizes = put(24, b"\x00\x02\x00\x01\x00\x04")  # behind the twelve sizes
    components = read_components(read_cap(cap_of(sound())).load_file)
    components["StaticField"] = b"\x08" + len(STATIC_ARRAY).to_bytes(2, "big") + STATIC_ARRAY
    octets = with_info("StaticField", lambda info: info, components)
    with pytest.raises(CapMalformed, match="static fields"):
        read_cap(octets)
    listed = with_info("Directory", sizes, {**components, "Directory": sized(components)})
    assert read_cap(listed).load_file


def sized(components: dict[str, bytes]) -> bytes:
    at, size = 3 + 2 * 7, len(STATIC_ARRAY).to_bytes(2, "big")
    return components["Directory"][:at] + size + components["Directory"][at + 2 :]


def test_the_directory_of_format_2_3_is_read() -> None:
    cap = read_cap(cap_of(sound(release=Release((2, 3), (1, 8)))))
    assert (cap.cap_format, cap.java_card) == ("2.3", "3.1.0")
    with pytest.raises(CapMalformed, match="static resources"):
        read_cap(with_info("Directory", put(24, b"\x00\x00\x00\x01"), sound(release=Release((2, 3), (1, 8)))))


@pytest.mark.parametrize(
    ("cap_format", "minor", "release"),
    [
        ((2, 1), 0, "2.1"),
        ((2, 1), 2, "2.2.1"),
        ((2, 1), 3, "2.2.2"),
        ((2, 2), 0, "2.2.1"),
        ((2, 1), 4, "3.0.1"),
        ((2, 2), 5, "3.0.4"),
        ((2, 2), 6, "3.0.5"),
        ((2, 3), 3, "3.1.0"),
        ((2, 3), 8, "3.1.0"),
        ((2, 3), 9, "3.2.0"),
    ],
)
def test_the_release_that_is_needed_is_the_newer_of_format_and_framework(
    cap_format: tuple[int, int], minor: int, release: str
) -> None:
    assert java_card_release(cap_format, [PackageInfo(FRAMEWORK, (1, minor))]) == release


def test_without_the_framework_the_format_alone_decides() -> None:
    assert java_card_release((2, 2), [PackageInfo(bytes(5), (1, 0))]) == "2.2.1"


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_cap_file_is_refused_in_words(kind: str) -> None:
    octets, says = MALFORMED[kind]
    with pytest.raises(CapMalformed) as caught:
        read_cap(octets)
    assert says in caught.value.problem
    assert str(caught.value) == f"{caught.value.problem} [cap-malformed]"
    assert caught.value.problem.isprintable()


def test_names_out_of_the_archive_are_shown_fit_for_a_terminal() -> None:
    folder = "a\x1b]0;evil\x07/javacard/"
    with pytest.raises(CapMalformed) as caught:
        read_cap(archive([(f"{folder}Header.cap", b""), (f"{FOLDER}Header2.cap", b"")]))
    assert "a?]0;evil?" in caught.value.problem


def test_an_archive_costs_no_more_than_its_components() -> None:
    big = [(f"classes/{each}.class", bytes(1024 * 1024)) for each in range(15)]
    octets = archive([*big, *entries_of(sound())])
    tracemalloc.start()
    began = time.process_time()
    try:
        read_cap(octets)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024
    assert time.process_time() - began < 2


@pytest.mark.parametrize("size", [0, 200, 65_536])
def test_the_writer_says_which_sizes_there_are(size: int) -> None:
    with pytest.raises(ValueError, match=f"to {LARGEST} octets"):
        payment_cap(size)


def test_the_writer_gives_each_version_another_load_file_and_the_same_one_again() -> None:
    assert payment_cap(3000, (1, 0)) == payment_cap(3000, (1, 0))
    assert read_cap(payment_cap(3000, (1, 0))).digest != read_cap(payment_cap(3000, (1, 1))).digest


SOUND = payment_cap(400)


@given(st.binary(max_size=400))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    refused(octets)


@settings(max_examples=300)
@given(st.data())
def test_an_archive_with_octets_changed_is_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    refused(bytes(octets[: data.draw(st.integers(len(octets) // 2, len(octets)))]))


@settings(max_examples=300)
@given(st.data())
def test_components_with_octets_changed_are_read_or_refused(data: st.DataObject) -> None:
    components = sound()
    name = data.draw(st.sampled_from(sorted(components)))
    octets = bytearray(components[name])
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    refused(cap_of({**components, name: bytes(octets)}))


@given(st.dictionaries(st.sampled_from([*LOAD_ORDER, "Debug"]), st.binary(max_size=60)))
def test_any_components_are_read_or_refused(components: dict[str, bytes]) -> None:
    refused(cap_of(components))


def refused(octets: bytes) -> None:
    try:
        cap = read_cap(octets)
    except CapMalformed as malformed:
        said, sound_digest = malformed.problem, True
    else:
        said, sound_digest = "read", cap.digest == hashlib.sha256(cap.load_file).digest()
    assert said.isprintable()
    assert sound_digest
