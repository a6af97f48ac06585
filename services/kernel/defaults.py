"""What applies where neither a caller nor a collection says anything: shipped with each release.

Chosen on classes that no demonstration or benchmark uses; a record says `uncalibrated` where they applied.
"""

from __future__ import annotations

from typing import Final

from services.kernel.vocabulary import NAME_SPACE, VISUAL_SPACE, SpaceVote

VOTES: Final = (
    SpaceVote(VISUAL_SPACE, weight=1.0, temperature=0.066, reference=0.55),
    SpaceVote(NAME_SPACE, weight=1.0, temperature=0.093, reference=0.60),
)
"""How each space votes."""
TRUST_THRESHOLD: Final = 0.95
"""Margin of retrieval from which its order is taken as it is."""
UNKNOWN_THRESHOLD: Final = 0.75
"""Probability of *unknown* above which the answer is unknown."""
LEVEL_THRESHOLD: Final = 0.5
"""Probability that a label needs to be answered where there are broader ones: rather right than wrong."""
