"""Every collection's exemplars: a write buffer that is searched exactly, and segments on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.memory.state import State
from services.retrieval.adapters.numpy_index import Change, NumpyView


@dataclass(frozen=True)
class Statistics:
    """What operators want to know: counts over all collections."""

    buffered: int = 0
    segments: int = 0
    rows: int = 0
    dead: int = 0
    indexed: Mapping[str, int] = field(default_factory=dict)
    """How many vectors each kind of index covers."""


class SegmentedIndex:
    """`apply` for one thread, `restore`, `flush` and `maintain` for one other, `view` for many.

    Args:
        folder: Where segments are written, each as `<digest>/`. Temporary names begin with a dot.
            Nothing here is ever deleted: that is for who knows which states are still needed.
            (On Linux a segment that is being searched stays readable when its folder is removed.)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def apply(self, changes: Sequence[Change], offsets: Mapping[int, int]) -> None:
        """Make all changes visible at once; `offsets` is how far each partition has then been read.

        Raises:
            Unavailable: The buffer is full, because segments cannot be written (fast enough); nothing
                was applied, and the same call will do once they can.
        """
        raise NotImplementedError

    def view(self, collection: CollectionKey) -> NumpyView:
        """Return the collection as it stands; empty if nothing was ever taught."""
        raise NotImplementedError

    def items(self) -> Mapping[str, int]:
        """Return how many exemplars each space has, or had, all collections together."""
        raise NotImplementedError

    def restore(self, state: State) -> None:
        """Begin with a state, in place of nothing: before the first `apply`.

        Raises:
            Corrupt: A segment is not what its manifest says; nothing was restored.
            Unsupported: A segment was written by another release.
            Unavailable: A file cannot be read.
        """
        raise NotImplementedError

    def flush(self) -> State:
        """Write all buffers as segments and return the state of the moment at which this began.

        Raises Unavailable if the disk does not take them; everything stays as it was, and searchable.
        """
        raise NotImplementedError

    def maintain(self) -> bool:
        """Do the most urgent piece of work, a second or so of it; say whether there was any.

        Writes a buffer that has grown long, builds an index, merges segments. Raises Unavailable as `flush`.
        """
        raise NotImplementedError

    def statistics(self) -> Statistics:
        """Return what operators want to know."""
        raise NotImplementedError
