from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import Corrupt, FoveaError, NotFound, Unavailable, Unsupported
from services.retrieval.adapters.memory.catalogue import Catalogue, CatalogueFile, Entry, decode, encode
from services.retrieval.adapters.memory.state import SegmentState, State
from tests.fakes.exemplars import BIRDS, SEA
from tests.fakes.segments import catalogue, entry

ONE, OTHER = "1" * 64, "2" * 64
FULL = Catalogue(
    {0: 3, 7: 10**15}, 1234.5, (entry(ONE, 0, 5, 6), entry(OTHER, collection=SEA)), "me", "a log"
)


def test_a_catalogue_comes_back_as_it_was() -> None:
    assert decode(encode(FULL)) == FULL


@given(st.integers(min_value=0, max_value=len(encode(FULL)) - 1))
def test_a_truncated_catalogue_is_never_believed(length: int) -> None:
    with pytest.raises(Corrupt):
        decode(encode(FULL)[:length])


@given(st.integers(min_value=0, max_value=8 * len(encode(FULL)) - 1))
def test_a_catalogue_with_a_flipped_bit_is_never_believed_unless_it_says_the_same(bit: int) -> None:
    data = bytearray(encode(FULL))
    data[bit // 8] ^= 1 << bit % 8
    try:
        found = decode(bytes(data))
    except (Corrupt, Unsupported):
        return
    assert found == FULL


def test_a_catalogue_of_another_format_is_refused_as_such() -> None:
    other = json.loads(encode(FULL)) | {"format": 2}

    with pytest.raises(Unsupported, match="format 2"):
        decode(json.dumps(other).encode())


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b'{"format": 1}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_catalogue_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode(data)


def test_a_name_that_is_no_digest_is_not_followed_out_of_the_folder() -> None:
    with pytest.raises(Corrupt, match="named"):
        decode(encode(Catalogue({}, 0.0, (Entry("../../etc", BIRDS),))))


def test_a_state_and_its_catalogue_say_the_same(tmp_path: Path) -> None:
    dead = np.array([1, 4, 200_000], np.int32)
    none = np.array([], np.int32)
    state = State(
        {0: 5, 1: 6},
        {
            BIRDS: (SegmentState(tmp_path / ONE, dead), SegmentState(tmp_path / OTHER, none)),
            SEA: (SegmentState(tmp_path / ("3" * 64), none),),
        },
    )

    found = decode(encode(Catalogue.of(state, as_of_s=9.0, writer="me", log="a log"))).state(tmp_path)

    assert found.offsets == state.offsets
    assert found.collections.keys() == state.collections.keys()
    assert [each.folder for each in found.collections[BIRDS]] == [tmp_path / ONE, tmp_path / OTHER]
    assert found.collections[BIRDS][0].dead.tolist() == dead.tolist()


def test_the_file_holds_what_was_written_last(tmp_path: Path) -> None:
    file = CatalogueFile(tmp_path / "catalogue.json")
    with pytest.raises(NotFound):
        file.read()

    file.write(catalogue(ONE, offset=1))
    file.write(catalogue(ONE, offset=2))

    assert file.read() == catalogue(ONE, offset=2)
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.json"]


def test_a_catalogue_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    file = CatalogueFile(tmp_path / "catalogue.json")
    file.write(catalogue(ONE))
    (tmp_path / "catalogue.json.new").mkdir()  # no file of that name can be written

    with pytest.raises(Unavailable):
        file.write(catalogue(OTHER))

    assert file.read() == catalogue(ONE)


def test_a_catalogue_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").mkdir()

    with pytest.raises(FoveaError):
        CatalogueFile(tmp_path / "catalogue.json").read()
