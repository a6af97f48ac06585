"""Why something is not imported."""

from __future__ import annotations


class Refused(ValueError):
    """What was given is not taken; the message says what is wrong with it and what to do."""
