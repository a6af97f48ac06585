"""Where a new segment's exemplars come from: blocks of the buffer, and older segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32, Int64

from services.kernel.vocabulary import ExemplarKind
from services.retrieval.adapters.memory import records
from services.retrieval.adapters.memory.block import BlockView, TableKey, TableView
from services.retrieval.adapters.memory.columns import Attributes, Labels, Strings
from services.retrieval.adapters.memory.segment import Segment


@dataclass(frozen=True, eq=False)
class Source:
    """Exemplars by slot, of which some are kept.

    Attributes:
        names: Ids of those that are kept.
        kept: Their slots, rising.
        slots: How many there are, kept or not.
        labels, attributes: Of all slots.
        described: Slots of attribute exemplars, rising.
        record: Gives the stored form of a slot's exemplar.
        tables: The vectors of all slots.
    """

    names: Sequence[str]
    kept: Int64[np.ndarray, "kept"]
    slots: int
    labels: Labels
    attributes: Attributes
    described: Int32[np.ndarray, "n"]
    record: Callable[[int], bytes]
    tables: Mapping[TableKey, TableView]


def of_block(block: BlockView) -> Source:
    """Return the living of a block."""
    exemplars = [block.exemplar(slot) for slot in range(len(block.alive))]
    kept = np.flatnonzero(block.alive)
    return Source(
        names=[exemplars[slot].exemplar_id for slot in kept.tolist()],
        kept=kept,
        slots=len(exemplars),
        labels=Labels.of([each.label for each in exemplars]),
        attributes=Attributes.of([each.attributes for each in exemplars]),
        described=np.array(
            [slot for slot, each in enumerate(exemplars) if each.kind is ExemplarKind.ATTRIBUTE], np.int32
        ),
        record=lambda slot: records.write(exemplars[slot]),
        tables=block.tables,
    )


def of_segment(segment: Segment, alive: Bool[np.ndarray, "slot"]) -> Source:
    """Return the living of a segment."""
    kept, names = np.flatnonzero(alive), segment.ids.names.all()
    return Source(
        names=[names[slot] for slot in kept.tolist()],
        kept=kept,
        slots=segment.rows,
        labels=segment.labels,
        attributes=segment.attributes,
        described=segment.described_slots,
        record=segment.record,
        tables=segment.tables,
    )


Slots = Sequence[Int32[np.ndarray, "_"]]
"""For each source, where its slots go; -1 for those that it does not keep."""


def merged_labels(sources: Sequence[Source], slots: Slots) -> Labels:
    """Return the labels of the new slots; those that no new slot has are gone."""
    names, codes = _united([source.labels.names for source in sources])
    merged = np.empty(sum(len(source.kept) for source in sources), np.int32)
    for source, new, code in zip(sources, slots, codes, strict=True):
        merged[new[source.kept]] = code[source.labels.codes[source.kept]]
    used, dense = np.unique(merged, return_inverse=True)
    return Labels(Strings.of([names[code] for code in used.tolist()]), dense.astype(np.int32))


def merged_described(sources: Sequence[Source], slots: Slots) -> Int32[np.ndarray, "n"]:
    """Return the new slots of attribute exemplars, rising."""
    new = np.concatenate([each[source.described] for source, each in zip(sources, slots, strict=True)])
    return np.sort(new[new >= 0])


def merged_attributes(sources: Sequence[Source], slots: Slots) -> Attributes:
    """Return the attributes of the new slots."""
    names, name_codes = _united([source.attributes.names for source in sources])
    texts, text_codes = _united([source.attributes.texts for source in sources])
    name, slot, code, number = [], [], [], []
    for source, new, name_code, text_code in zip(sources, slots, name_codes, text_codes, strict=True):
        old = source.attributes
        runs = np.diff(old.ends, prepend=0)
        name.append(np.repeat(name_code[: len(runs)], runs))
        slot.append(new[old.slots])
        code.append(np.where(old.codes < 0, old.codes, text_code[np.maximum(old.codes, 0)]))
        number.append(old.numbers)
    all_names, all_slots = np.concatenate(name), np.concatenate(slot)
    order = np.lexsort((all_slots, all_names))
    order = order[all_slots[order] >= 0]  # the dead have no slot
    counts = np.bincount(all_names[order], minlength=len(names))
    used = np.flatnonzero(counts)
    return Attributes(
        names=Strings.of([names[each] for each in used.tolist()]),
        ends=np.cumsum(counts[used], dtype=np.int64),
        slots=all_slots[order].astype(np.int32),
        codes=np.concatenate(code)[order].astype(np.int32),
        numbers=np.concatenate(number)[order],
        texts=Strings.of(texts),
    )


def _united(parts: Sequence[Strings]) -> tuple[list[str], list[Int32[np.ndarray, "_"]]]:
    """Return all texts once, in order, and for each part the place of each of its texts there."""
    lists = [part.all() for part in parts]
    united = sorted(set().union(*lists))
    place = {text: number for number, text in enumerate(united)}
    # One more, so that an empty part can be asked for the place of a text that is never used.
    return united, [np.array([*(place[text] for text in each), 0], np.int32) for each in lists]
