"""The numbers of the memory, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class BufferParameters:
    """When the write buffer becomes a segment."""

    rows: int = 4_096
    """Of a collection that is searched exactly as a whole: a segment or the buffer costs the same, and
    fewer, larger files are quicker to write and merge."""
    rows_beside_indexes: int = 1_024
    """Of a collection that has an index: the buffer is the part that is compared whole at every search, and
    so is to stay below the cost of asking the index."""
    most_bytes: int = 512 * MIB
    """Of all collections: where segments cannot be written, writes stop here and reads go on."""


@dataclass(frozen=True)
class MergeParameters:
    """When segments are written anew as one."""

    most_rows: int = 250_000
    """Of one segment: so much is written, and indexed in seconds, at a time."""
    ratio: float = 4.0
    """A segment joins the smaller ones as soon as it is at most so many times as large as they together.
    Every segment costs each search some 50 us, so there should be few: four below 100,000. Each level of
    them writes an exemplar anew two or three times."""
    dead_share: float = 0.3
    """A segment of which so much is dead is written anew: it costs memory, and its index finds the dead."""
    few_rows: int = 64
    """What is smaller is merged with its like only when so many segments have come together, ..."""
    few_segments: int = 8
    """... since a collection that learns slowly would otherwise be written anew again and again."""


@dataclass(frozen=True)
class IndexParameters:
    """How large segments are indexed and asked."""

    exact_rows: int = 10_000
    """Up to so many exemplars a collection is compared whole: half a millisecond at 512 dimensions, no
    worse than an index, and exact."""
    rows: int = 4_096
    """Of a segment: below, comparing all costs no more than asking an index (50 us)."""
    least_dim: int = 16
    """Shorter vectors have too few bits to tell anything apart, and are quick to compare."""
    lists_per_root: float = 0.5
    """The number of lists is about this times the square root of the number of vectors. A list costs
    some 3 us to visit, as much as 300 of its codes; more lists were slower on sets without clusters."""
    training_rows_per_list: int = 64
    """Four times what faiss asks for at least; more did not change recall."""
    recall: float = 0.985
    """What the effort is chosen for, with vectors that the index has not seen. It leaves half a per cent
    of luck above the promise of 0.98."""
    held_out: int = 200
    """Vectors that the effort is chosen with: recall at 10 is then known to about half a per cent."""
    gathered_bytes: int = 2 * MIB
    """So many bytes of vectors are read one by one in 0.3 ms; if what a filter admits is less, all of it
    is compared, exactly."""


@dataclass(frozen=True)
class Parameters:
    """Everything that can be set."""

    buffer: BufferParameters = BufferParameters()
    merge: MergeParameters = MergeParameters()
    index: IndexParameters = IndexParameters()
