from __future__ import annotations

from models.attributes.packaged import Packaged
from models.attributes.sets import from_keywords, from_package
from models.data.manifest import Row


def row(label: str, annotation: str, *keywords: str) -> Row:
    columns = {"annotation": annotation, "keywords": "|".join(keywords)}
    return Row(f"emoji/{label}/{annotation}", "x.png", label, "train", "MIT", "0" * 64, columns)


def test_keywords_describe_a_class_as_far_as_they_say_nothing_of_its_name() -> None:
    rows = [
        row("nest with eggs", "nest with eggs", "nest with eggs", "bird", "branch", "egg", "eggs", "nesting"),
        row("nest with eggs", "birdhouse", "bird", "twig"),
        row("tram", "tram", "tram", "trolleybus"),
        row("sun", "sun", "sun", "sunny", "Sun-day"),
        row("plain", "plain"),
    ]

    assert from_keywords(rows) == {"nest with eggs": "branch, twig", "tram": "trolleybus"}


def test_a_class_has_at_most_eight_keywords() -> None:
    (text,) = from_keywords([row("x", "x", *(f"word{n}" for n in range(20)))]).values()

    assert text.count(",") == 7


def test_the_package_describes_the_labels_that_it_knows() -> None:
    known = [Packaged(("ant", "emmet"), "An ant is small. Emmets are many."), Packaged(("bee",), "Striped.")]

    assert from_package(["Ant", "tit"], known) == {"Ant": "It is small. They are many."}
