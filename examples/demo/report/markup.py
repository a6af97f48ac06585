"""Builds HTML from values: whatever is text is escaped, and only what was built here is markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"img", "meta", "br"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
"""What stands inside an element: text, markup, several of them, or nothing."""


def tag(name: str, /, *children: Child, **attributes: str | None) -> Html:
    """Return one element.

    Args:
        name: `td`, `figure`, ...
        children: Text is escaped; `Html` is taken as it is.
        attributes: `class_` is written `class`, `aria_label` is written `aria-label`; None leaves one out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Return the parts one after the other."""
    if children is None:
        return Html()
    if isinstance(children, Html):
        return children
    if isinstance(children, str):
        return Html(escape(children, quote=False))
    return Html("".join(join(child) for child in children))
