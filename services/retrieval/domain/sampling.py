"""Few-shot samples: so many of each class, drawn by chance that can be repeated."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from services.kernel.errors import InvalidInput

_NAMED = 5  # classes that an error names


def few_shot(labelled: Iterable[tuple[str, str]], *, per_label: int, seed: int) -> tuple[str, ...]:
    """Draw so many members of every class, none twice.

    What is drawn of a class depends on its own members and the seed alone, neither on their order nor on
    the other classes.

    Args:
        labelled: The id and the label of each member.
        per_label: How many of each label.
        seed: The same seed draws the same.

    Returns:
        Ids in order of label, then as drawn.

    Raises:
        InvalidInput: A class has fewer, or there is no class; a sample that is not what was asked for would
            make every figure that is taken of it wrong.
    """
    if per_label < 1 or seed < 0:
        raise InvalidInput(
            f"per_label is {per_label} and seed {seed}; draw one or more, with a seed of 0 or more",
            field="sample.per_label",
            reason="SAMPLE_INVALID",
        )
    members: defaultdict[str, list[str]] = defaultdict(list)
    for member_id, label in labelled:
        members[label].append(member_id)
    _require_enough({label: len(ids) for label, ids in members.items()}, per_label)
    return tuple(
        member_id
        for label in sorted(members)
        for member_id in _drawn(label, sorted(members[label]), per_label, seed)
    )


def _drawn(label: str, ids: list[str], count: int, seed: int) -> list[str]:
    identity = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "little")
    places = np.random.default_rng((seed, identity)).permutation(len(ids))[:count]
    return [ids[place] for place in places.tolist()]


def _require_enough(counts: dict[str, int], per_label: int) -> None:
    short = sorted(label for label, count in counts.items() if count < per_label)
    if counts and not short:
        return
    named = ", ".join(f"{label} ({counts[label]})" for label in short[:_NAMED])
    more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
    problem = f"too few in {named}{more}" if short else "there is none to draw from"
    raise InvalidInput(
        f"a sample of {per_label} of each label cannot be drawn: {problem}",
        field="sample.per_label",
        reason="LABEL_TOO_SMALL",
    )
