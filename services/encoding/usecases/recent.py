"""What was changed lately: so that nothing undoes what came after it was said."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class _Lane:
    """The events of one partition that were handled here one after the other, from `start` on."""

    start: int
    last: int
    changed: dict[str, int] = field(default_factory=dict)  # by key, the one changed last at the end


class RecentChanges:
    """Tells whether an exemplar was changed since an offset of the partition that its changes come in.

    It knows what it has seen without a gap. Where it does not know, as after a partition came from elsewhere,
    it says that the exemplar was changed: whoever asks then looks at the exemplar as it is, and asks again.
    For many threads, as long as each partition has one.

    Args:
        most: Changes of a partition that are remembered.
    """

    def __init__(self, *, most: int = 100_000) -> None:
        self._most = most
        self._lanes: dict[int, _Lane] = {}

    def arrive(self, partition: int, offset: int) -> None:
        """Note that an event is handled: each of them, in order; one may come again."""
        lane = self._lanes.get(partition)
        if lane is None or offset not in (lane.last, lane.last + 1):
            lane = self._lanes[partition] = _Lane(start=offset, last=offset)
        lane.last = offset

    def unchanged(self, partition: int, key: str, *, since: int) -> bool:
        """Whether nothing that arrived from `since` on changed the key, for all that is known."""
        lane = self._lanes[partition]
        return lane.start <= since and lane.changed.get(key, -1) < since

    def changed(self, partition: int, key: str) -> None:
        """Note that the event that arrived last changed the key."""
        lane = self._lanes[partition]
        lane.changed.pop(key, None)
        lane.changed[key] = lane.last
        if len(lane.changed) > self._most:
            lane.start = lane.changed.pop(next(iter(lane.changed))) + 1
