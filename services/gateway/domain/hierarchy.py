"""What labels are kinds of, as a collection's settings say: a forest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_text

_FIELD: Final = "collection.hierarchy"


class LabelParent(NamedTuple):
    """What a label is a kind of; an empty parent ends the path upwards."""

    label: str
    parent: str


def check_hierarchy(entries: Sequence[LabelParent]) -> None:
    """Raise InvalidInput unless each label comes once and its path upwards ends, within the limits."""
    if len(entries) > LIMITS.hierarchy_labels:
        raise InvalidInput(
            f"{_FIELD} has {len(entries)} labels, at most {LIMITS.hierarchy_labels} are allowed",
            field=_FIELD,
            reason="HIERARCHY_TOO_LARGE",
        )
    parents = _parents(entries)
    for place, entry in enumerate(entries):
        if entry.parent and entry.parent not in parents:
            raise InvalidInput(
                f"{_FIELD}[{place}] says that {entry.label!r} is a kind of {entry.parent!r}, which has no "
                "entry of its own; give it one, with an empty parent if nothing is above it",
                field=f"{_FIELD}[{place}].parent",
                reason="HIERARCHY_PARENT_UNKNOWN",
            )
    _check_paths(parents)


def _parents(entries: Sequence[LabelParent]) -> dict[str, str]:
    parents: dict[str, str] = {}
    for place, entry in enumerate(entries):
        field = f"{_FIELD}[{place}]"
        checked_text(entry.label, field=f"{field}.label", most=LIMITS.label_characters)
        if entry.label in parents:
            raise InvalidInput(
                f"{field} names {entry.label!r} again; a label is a kind of one other",
                field=field,
                reason="HIERARCHY_LABEL_TWICE",
            )
        parents[entry.label] = entry.parent
    return parents


def _check_paths(parents: Mapping[str, str]) -> None:
    """Raise InvalidInput if a label is, by way of others, a kind of itself, or has too many above it."""
    for label in parents:
        path = [label]
        while above := parents[path[-1]]:
            if above in path:
                circle = [*path[path.index(above) :], above]
                raise InvalidInput(
                    f"{_FIELD} goes round: {' is a kind of '.join(map(repr, circle))}",
                    field=_FIELD,
                    reason="HIERARCHY_CYCLE",
                )
            path.append(above)
            if len(path) > LIMITS.hierarchy_levels + 1:
                raise InvalidInput(
                    f"{_FIELD} has more than {LIMITS.hierarchy_levels} labels above {label!r}",
                    field=_FIELD,
                    reason="HIERARCHY_TOO_DEEP",
                )
