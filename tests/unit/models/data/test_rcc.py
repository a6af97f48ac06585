import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.rcc import BadBundle, files


def bundle(version: int = 1, *, flags: int = 0, content: bytes = b"picture") -> bytes:
    """Write a bundle by hand: the folder `a` with the file `b.webp`."""
    names = b"".join(struct.pack(">HI", len(name), 0) + name.encode("utf-16-be") for name in ("a", "b.webp"))
    stamp = b"" if version == 1 else bytes(8)
    tree = b"".join(
        entry + stamp
        for entry in (
            struct.pack(">IHII", 0, 2, 1, 1),
            struct.pack(">IHII", 0, 2, 1, 2),
            struct.pack(">IHHHI", 8, flags, 0, 0, 0),
        )
    )
    data = struct.pack(">I", len(content)) + content
    start = 20
    head = struct.pack(">4sIIII", b"qres", version, start, start + len(tree), start + len(tree) + len(data))
    return head + tree + data + names


@pytest.mark.parametrize("version", [1, 2, 3])
def test_files_come_with_their_path_and_content(version: int) -> None:
    assert list(files(bundle(version))) == [("a/b.webp", b"picture")]


def test_a_compressed_file_comes_out_as_it_was() -> None:
    packed = struct.pack(">I", 7) + zlib.compress(b"picture")

    assert list(files(bundle(flags=1, content=packed))) == [("a/b.webp", b"picture")]


@pytest.mark.parametrize(
    "damaged", [b"", b"qres", b"text that is no bundle at all", bundle()[:60], bundle(flags=4)]
)
def test_what_is_no_bundle_is_refused(damaged: bytes) -> None:
    with pytest.raises(BadBundle):
        list(files(damaged))


def test_a_folder_that_lies_in_itself_is_refused() -> None:
    looped = bytearray(bundle())
    struct.pack_into(">I", looped, 20 + 10, 0)  # the root's first child is the root

    with pytest.raises(BadBundle, match="in itself"):
        list(files(bytes(looped)))


@given(st.integers(0, len(bundle()) - 1), st.integers(0, 255))
def test_one_changed_byte_gives_files_or_one_typed_error(place: int, byte: int) -> None:
    changed = bytearray(bundle())
    changed[place] = byte

    with suppress(BadBundle):
        assert all(isinstance(path, str) for path, _ in files(bytes(changed)))
