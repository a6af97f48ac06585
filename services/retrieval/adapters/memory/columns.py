"""What a segment knows of its exemplars without decoding them, as arrays that can be mapped from a file.

A slot is an exemplar's place in its segment, in order of id.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, Shaped, UInt8, UInt64

from services.kernel.vocabulary import AttributeValue, Condition

Arrays = Mapping[str, Shaped[np.ndarray, "..."]]

NUMBER: Final = -1
"""Instead of a text's code: the value is a number."""
_FLAGS: Final = {False: -2, True: -3}


@dataclass(frozen=True, eq=False)
class Strings:
    """Texts as one run of UTF-8; where `find` is used they stand in order."""

    blob: UInt8[np.ndarray, "byte"]
    ends: Int64[np.ndarray, "n"]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Strings:
        """Return these texts, in the order given."""
        encoded = [text.encode() for text in texts]
        ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> str:
        begin = self.ends[place - 1] if place else 0
        return self.blob[begin : self.ends[place]].tobytes().decode()

    def all(self) -> list[str]:
        """Return all texts."""
        text, begins = self.blob.tobytes(), [0, *self.ends.tolist()]
        return [text[begin:end].decode() for begin, end in pairwise(begins)]

    def after(self, text: str) -> int:
        """Return the place of the first text that is greater; UTF-8 sorts as code points do."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self[middle] > text else (middle + 1, high)
        return low

    def find(self, text: str) -> int | None:
        """Return the place of this text, if it is there."""
        place = self.after(text) - 1
        return place if place >= 0 and self[place] == text else None

    def arrays(self, name: str) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Return what is to be written."""
        return {f"{name}.blob": self.blob, f"{name}.ends": self.ends}

    @classmethod
    def read(cls, name: str, arrays: Arrays) -> Strings:
        """Return what was written."""
        return cls(arrays[f"{name}.blob"], arrays[f"{name}.ends"])


def hash_of(exemplar_id: str) -> int:
    """Return the hash by which an id is looked up; never change it, it is on disk."""
    return int.from_bytes(hashlib.blake2b(exemplar_id.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, eq=False)
class Ids:
    """The ids of a segment in order, and their hashes, so that a look-up touches few pages."""

    names: Strings
    hashes: UInt64[np.ndarray, "n"]
    slots: Int32[np.ndarray, "n"]

    @classmethod
    def of(cls, names: Sequence[str]) -> Ids:
        """Return the ids of a segment, which come in order."""
        hashes = np.array([hash_of(name) for name in names], np.uint64)
        order = np.argsort(hashes, kind="stable")
        return cls(Strings.of(names), hashes[order], order.astype(np.int32))

    def find(self, exemplar_id: str, hashed: int) -> int | None:
        """Return the slot of an id, whose `hash_of` the caller knows, if it is there."""
        key = np.uint64(hashed)
        place = int(self.hashes.searchsorted(key))
        while place < len(self.hashes) and self.hashes[place] == key:
            slot = int(self.slots[place])
            if self.names[slot] == exemplar_id:
                return slot
            place += 1
        return None

    def arrays(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Return what is to be written."""
        return {**self.names.arrays("ids"), "ids.hashes": self.hashes, "ids.slots": self.slots}

    @classmethod
    def read(cls, arrays: Arrays) -> Ids:
        """Return what was written."""
        return cls(Strings.read("ids", arrays), arrays["ids.hashes"], arrays["ids.slots"])


@dataclass(frozen=True, eq=False)
class Labels:
    """The label of each slot, as the place of its name."""

    names: Strings
    codes: Int32[np.ndarray, "slot"]

    @classmethod
    def of(cls, labels: Sequence[str]) -> Labels:
        """Return the labels of all slots."""
        names = sorted(set(labels))
        codes = {name: code for code, name in enumerate(names)}
        return cls(Strings.of(names), np.array([codes[label] for label in labels], np.int32))

    def count(self, alive: Bool[np.ndarray, "slot"]) -> dict[str, int]:
        """Return how many of these slots each label has."""
        counts = np.bincount(self.codes[alive], minlength=len(self.names))
        return {self.names[code]: int(counts[code]) for code in np.flatnonzero(counts).tolist()}

    def arrays(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Return what is to be written."""
        return {**self.names.arrays("labels"), "labels.codes": self.codes}

    @classmethod
    def read(cls, arrays: Arrays) -> Labels:
        """Return what was written."""
        return cls(Strings.read("labels", arrays), arrays["labels.codes"])


@dataclass(frozen=True, eq=False)
class Attributes:
    """All attributes of all slots: each name has a run of entries, one for each slot that has it.

    An entry's code is the place of its text, or says that the value is a number or which flag it is.
    """

    names: Strings
    ends: Int64[np.ndarray, "name"]
    slots: Int32[np.ndarray, "entry"]
    codes: Int32[np.ndarray, "entry"]
    numbers: Float64[np.ndarray, "entry"]
    texts: Strings

    @classmethod
    def of(cls, attributes: Iterable[Mapping[str, AttributeValue]]) -> Attributes:
        """Return the attributes of all slots."""
        entries: defaultdict[str, list[tuple[int, AttributeValue]]] = defaultdict(list)
        for slot, values in enumerate(attributes):
            for name, value in values.items():
                entries[name].append((slot, value))
        names = sorted(entries)
        flat = [entry for name in names for entry in entries[name]]
        texts = sorted({value for _, value in flat if isinstance(value, str)})
        code_of = {text: code for code, text in enumerate(texts)}
        return cls(
            Strings.of(names),
            np.cumsum([len(entries[name]) for name in names], dtype=np.int64),
            np.array([slot for slot, _ in flat], np.int32),
            np.array([_code(value, code_of) for _, value in flat], np.int32),
            np.array([0.0 if isinstance(value, str) else float(value) for _, value in flat], np.float64),
            Strings.of(texts),
        )

    def holding(self, condition: Condition, slots: int) -> Bool[np.ndarray, "slot"]:
        """Return which of so many slots fulfil a condition."""
        found = np.zeros(slots, np.bool_)
        place = self.names.find(condition.attribute)
        if place is not None:
            run = slice(int(self.ends[place - 1]) if place else 0, int(self.ends[place]))
            holds = self._one_of(condition.one_of, run) if condition.one_of else self._within(condition, run)
            found[self.slots[run][holds]] = True
        return found

    def _one_of(self, wanted: Sequence[AttributeValue], run: slice) -> Bool[np.ndarray, "entry"]:
        codes = self.codes[run]
        holds = np.zeros(len(codes), np.bool_)
        for value in wanted:
            if isinstance(value, str):
                code = self.texts.find(value)
                holds |= codes == (NUMBER - len(_FLAGS) - 1 if code is None else code)
            elif isinstance(value, bool):
                holds |= codes == _FLAGS[value]
            else:
                holds |= (codes == NUMBER) & (self.numbers[run] == value)
        return holds

    def _within(self, condition: Condition, run: slice) -> Bool[np.ndarray, "entry"]:
        numbers = self.numbers[run]
        holds: Bool[np.ndarray, "entry"] = self.codes[run] == NUMBER
        holds &= numbers >= (-np.inf if condition.least is None else condition.least)
        holds &= numbers <= (np.inf if condition.most is None else condition.most)
        return holds

    def arrays(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Return what is to be written."""
        return {
            **self.names.arrays("attributes.names"),
            **self.texts.arrays("attributes.texts"),
            "attributes.ends": self.ends,
            "attributes.slots": self.slots,
            "attributes.codes": self.codes,
            "attributes.numbers": self.numbers,
        }

    @classmethod
    def read(cls, arrays: Arrays) -> Attributes:
        """Return what was written."""
        fields = {name: arrays[f"attributes.{name}"] for name in ("ends", "slots", "codes", "numbers")}
        names, texts = (Strings.read(f"attributes.{name}", arrays) for name in ("names", "texts"))
        return cls(names=names, texts=texts, **fields)


def _code(value: AttributeValue, code_of: Mapping[str, int]) -> int:
    if isinstance(value, str):
        return code_of[value]
    return _FLAGS[value] if isinstance(value, bool) else NUMBER
