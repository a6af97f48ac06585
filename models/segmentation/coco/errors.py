"""What can be wrong with a data set in COCO JSON; every message names the entry."""

from __future__ import annotations


class CocoError(ValueError):
    """A data set is not what COCO JSON says, or contradicts itself."""


class BadJson(CocoError):
    """The file is no JSON, or lacks something that every such file has."""


class BadClasses(CocoError):
    """Names of classes are missing, empty, there twice, or not those of the class file."""


class UnknownId(CocoError):
    """An annotation is of an image or a category that is not there, or an id stands twice."""


class BadImage(CocoError):
    """A file is missing, leads out of the folder, is no picture, or has another size than is said."""


class BadBox(CocoError):
    """A box is no four numbers, has no area, or is outside its image."""


class BadSegmentation(CocoError):
    """A polygon or run lengths cannot be read, or do not fit the image."""
