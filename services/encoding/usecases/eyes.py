"""The encoders of pictures, side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from services.encoding.ports import ImageEncoder


class Eyes:
    """The encoders of pictures, each with spaces of its own.

    Args:
        first: Is asked where nobody names a space that is served.
        others: Are asked for their spaces only, so that they cost nothing where nobody uses them.
    """

    def __init__(self, first: ImageEncoder, *others: ImageEncoder) -> None:
        self._encoders = (first, *others)

    def chosen(self, spaces: Collection[str] = ()) -> tuple[ImageEncoder, ...]:
        """Return who serves at least one of these spaces; if nobody does, the first."""
        wanted = frozenset(spaces)
        return tuple(each for each in self._encoders if wanted & {*each.spaces()}) or self._encoders[:1]

    @property
    def first(self) -> ImageEncoder:
        """The one that is asked where nobody names a space that is served."""
        return self._encoders[0]

    def all(self) -> tuple[ImageEncoder, ...]:
        """Return all of them."""
        return self._encoders

    def served(self) -> frozenset[str]:
        """Return the spaces that a picture can be encoded into."""
        return frozenset(space for each in self._encoders for space in each.spaces())

    def looks(self) -> tuple[str, ...]:
        """Return the spaces of what pictures look like, that of the first encoder first.

        What an encoder guesses of a picture's name does not count.
        """
        return tuple(each.spaces()[0] for each in self._encoders)

    def encoders(self) -> Mapping[str, str]:
        """Return `name@digest` of whoever serves each of these spaces. Raises Unavailable if one is away."""
        return {each.spaces()[0]: each.models()[0] for each in self._encoders}
