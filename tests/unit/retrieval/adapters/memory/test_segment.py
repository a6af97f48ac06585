from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kernel.errors import Corrupt, Unavailable, Unsupported
from services.kernel.vocabulary import Condition, EncodedExemplar
from services.retrieval.adapters.memory import files, manifest, sources
from services.retrieval.adapters.memory.block import Block, BlockView
from services.retrieval.adapters.memory.segment import Segment
from services.retrieval.adapters.memory.segment_writer import write_segment
from services.retrieval.domain import Scope
from tests.fakes.exemplars import BIRDS, ENCODER, described, embedding, encoded

NORTH = embedding(0, 1)


def block(exemplars: Sequence[EncodedExemplar], dead: Sequence[int] = ()) -> BlockView:
    made = Block()
    for each in exemplars:
        made.append(each)
    for slot in dead:
        made.bury(slot)
    return made.view()


def taught(name: str, number: int) -> EncodedExemplar:
    vectors = [embedding(number, 1), embedding(1, 2, number, space="name")][: 1 + number % 2]
    return encoded(name, f"label {number % 3}", vectors, {"number": float(number), "even": number % 2 == 0})


def written(folder: Path, *blocks: BlockView) -> Segment:
    return Segment.open(write_segment(folder, BIRDS, list(map(sources.of_block, blocks))), thorough=True)


def same(one: EncodedExemplar, other: EncodedExemplar) -> bool:
    pairs = zip(one.embeddings, other.embeddings, strict=True)
    return one.exemplar == other.exemplar and all(
        (a.encoder, a.space, a.vector.tolist()) == (b.encoder, b.space, b.vector.tolist()) for a, b in pairs
    )


def test_a_segment_holds_the_living_of_its_blocks_in_order_of_id(tmp_path: Path) -> None:
    one = [taught(name, number) for number, name in enumerate("dacb")]
    two = [taught("ab", 7), taught("e", 8)]

    segment = written(tmp_path, block(one, dead=[1]), block(two))

    expected = sorted([one[0], one[2], one[3], *two], key=lambda each: each.exemplar.exemplar_id)
    assert segment.rows == len(expected)
    assert all(same(segment.encoded(slot), each) for slot, each in enumerate(expected))
    assert segment.folder.name == segment.manifest.digest
    assert list(tmp_path.iterdir()) == [segment.folder]


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 9), min_size=2, max_size=12),
)
@settings(max_examples=30, deadline=None)
def test_merged_segments_are_as_if_written_at_once(
    tmp_path_factory: pytest.TempPathFactory, taught_by_name: dict[str, int]
) -> None:
    folder = tmp_path_factory.mktemp("segments")
    exemplars = [taught(name, number) for name, number in taught_by_name.items()]
    half = len(exemplars) // 2
    parts = [written(folder, block(each)) for each in (exemplars[:half], exemplars[half:])]
    kept = [np.arange(part.rows) % 3 != 1 for part in parts]
    living = [
        part.encoded(slot)
        for part, alive in zip(parts, kept, strict=True)
        for slot in np.flatnonzero(alive).tolist()
    ]

    merged = Segment.open(
        write_segment(folder, BIRDS, [sources.of_segment(*each) for each in zip(parts, kept, strict=True)])
    )

    living.sort(key=lambda each: each.exemplar.exemplar_id)
    assert merged.rows == len(living)
    assert all(same(merged.encoded(slot), each) for slot, each in enumerate(living))
    condition = Condition("number", least=2.0, most=7.0)
    admitted = [Scope((condition,)).admits(each.exemplar) for each in living]
    assert merged.holding((condition,)).tolist() == admitted
    everywhere = np.ones(merged.rows, np.bool_)
    labels = [each.exemplar.label for each in living]
    assert merged.labels.count(everywhere) == {label: labels.count(label) for label in labels}


def test_the_same_exemplars_make_the_same_segment(tmp_path: Path) -> None:
    exemplars = [taught(name, number) for number, name in enumerate("abc")]

    first = written(tmp_path, block(exemplars))
    again = written(tmp_path, block(exemplars[2:]), block(exemplars[:2]))

    assert again.folder == first.folder


def damage_flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


FILES = ("manifest.json", "columns.bin", "exemplars.bin", "vectors-0.f32")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [damage_flip, damage_cut, Path.unlink])
def test_a_damaged_segment_is_refused(tmp_path: Path, name: str, damage: object) -> None:
    folder = written(tmp_path, block([taught("a", 0), taught("b", 2)])).folder
    assert callable(damage)
    damage(folder / name)

    with pytest.raises(Corrupt):
        Segment.open(folder, thorough=True)
    if damage is not damage_flip or name == "manifest.json":
        with pytest.raises(Corrupt):
            Segment.open(folder)


def test_a_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, block([taught("a", 0)])).folder
    other = folder.rename(tmp_path / ("0" * 64))

    with pytest.raises(Corrupt):
        Segment.open(other)


def test_a_segment_of_another_format_is_refused() -> None:
    with pytest.raises(Unsupported):
        manifest.Manifest.decode(b'{"format": 99}')


def test_a_segment_records_how_its_vectors_were_made_and_are_compared(tmp_path: Path) -> None:
    segment = written(tmp_path, block([taught("a", 2)]))

    said = json.loads((segment.folder / manifest.FILE).read_bytes())

    assert said["vectors"] == {"metric": "cosine", "normalised": True}
    (table,) = said["tables"]
    assert (table["space"], table["encoder"], table["dim"], table["rows"]) == ("visual", ENCODER, 2, 1)
    # that is the encoder's name, and the digest of its description, graph and weights


def test_vectors_that_are_compared_otherwise_are_refused(tmp_path: Path) -> None:
    segment = written(tmp_path, block([taught("a", 2)]))
    data = segment.manifest.encode().replace(b'"cosine"', b'"euclidean"')

    with pytest.raises(Unsupported, match="euclidean"):
        manifest.Manifest.decode(data)


def test_a_manifest_names_no_files_elsewhere(tmp_path: Path) -> None:
    segment = written(tmp_path, block([taught("a", 0)]))
    data = segment.manifest.encode().replace(b"columns.bin", b"../outside.")

    with pytest.raises(Corrupt):
        manifest.Manifest.decode(data)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, __: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = [sources.of_block(block([taught("a", 0)]))]
    with monkeypatch.context() as patched:
        patched.setattr(files.DigestedFile, "write", full)
        with pytest.raises(Unavailable) as refused:
            write_segment(tmp_path, BIRDS, whole)

    assert refused.value.reason == "SEGMENT_NOT_WRITTEN"
    assert list(tmp_path.iterdir()) == []
    assert Segment.open(write_segment(tmp_path, BIRDS, whole)).rows == 1


def test_a_segment_stays_readable_when_its_folder_goes(tmp_path: Path) -> None:
    exemplars = [taught(f"x{number:04}", number) for number in range(50)]
    segment = written(tmp_path, block(exemplars))
    shutil.rmtree(segment.folder)

    assert all(same(segment.encoded(slot), each) for slot, each in enumerate(exemplars))


def test_a_segment_knows_its_descriptions_also_if_an_older_release_wrote_it(tmp_path: Path) -> None:
    hostile = encoded("q", 'x","attribute",{', [NORTH], {'","attribute",{': '","attribute",{'})
    some = [
        taught("b", 1),
        described("d", "robin", "red"),
        hostile,
        described("a", "robin", '","attribute",{'),
    ]

    first = written(tmp_path / "first", block([*some, described("gone", "wren", "brown")], dead=[4]))
    merged = Segment.open(
        write_segment(
            tmp_path / "both", BIRDS, [sources.of_segment(first, first.rows > np.arange(first.rows))]
        )
    )

    for segment in (first, merged):
        older = Segment(segment.folder, without_section(segment.manifest, "exemplars.described"))
        assert older.described_slots.tolist() == segment.described_slots.tolist() == [0, 2]
        assert older.described == segment.described == {"robin": [0, 2]}


def without_section(found: manifest.Manifest, name: str) -> manifest.Manifest:
    return replace(found, sections={key: each for key, each in found.sections.items() if key != name})
