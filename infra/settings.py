"""Writes every setting down, as tables in `docs/settings.md`.

Run `python -m infra.settings` after a change of a settings class.
"""

# ruff: noqa: INP001  (no package that is installed)
from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.encoding.settings import EncodingSettings
from services.gateway.settings import GatewaySettings
from services.ranking.settings import RankingSettings
from services.retrieval.settings import RetrievalSettings
from services.runtime.settings import PREFIX, ProcessSettings
from services.segmentation.settings import SegmentationSettings

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "settings.md"
SERVICES: Final[Mapping[str, type[ProcessSettings]]] = {
    "gateway": GatewaySettings,
    "segmentation": SegmentationSettings,
    "encoding": EncodingSettings,
    "retrieval": RetrievalSettings,
    "ranking": RankingSettings,
}
_BEGIN, _END = "<!-- tables: python -m infra.settings -->\n", "<!-- end of tables -->\n"
_KINDS: Final = {
    bool: "true, false",
    int: "number",
    float: "number",
    Path: "path",
    SecretStr: "secret",
    str: "text",
}


def tables() -> str:
    """Return the settings as Markdown: those of every process, then what a service adds or has otherwise."""
    parts = ["## Every service", "", *_table(ProcessSettings.model_fields)]
    for name, settings in SERVICES.items():
        own = {
            field: info
            for field, info in settings.model_fields.items()
            if field not in ProcessSettings.model_fields or _differs(field, info)
        }
        parts += ["", f"## {name.capitalize()}", "", *_table(own)] if own else []
    return "\n".join(parts) + "\n"


def page(text: str) -> str:
    """Return the page with its tables replaced by those of today."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{tables()}{_END}{after}"


def _differs(field: str, info: FieldInfo) -> bool:
    return bool(info.default != ProcessSettings.model_fields[field].default)


def _table(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield "| variable | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, info in fields.items():
        yield f"| `{PREFIX}{name.upper()}` | {_kind(info)} | {_default(info)} | {info.description} |"


def _kind(info: FieldInfo) -> str:
    choices = [choice for choice in _choices(info.annotation) if choice is not type(None)]
    if not all(isinstance(choice, type) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    return f"{_KINDS[choices[0]]}{_bounds(info)}"


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union or literal; a type alone is the only one of its own."""
    if get_origin(annotation) in {Union, types.UnionType, Literal}:
        return get_args(annotation)
    return (annotation,)


def _bounds(info: FieldInfo) -> str:
    found = {
        name: getattr(rule, name)
        for rule in info.metadata
        for name in ("ge", "gt", "le")
        if hasattr(rule, name)
    }
    words = {"gt": "above", "ge": "from", "le": "to"}
    said = [f"{words[name]} {found[name]:g}" for name in words if name in found]
    return f" {' '.join(said)}" if said else ""


def _default(info: FieldInfo) -> str:
    """Return the default, unless it is empty, secret, or found out at start."""
    value = info.default
    if info.default_factory is not None or isinstance(value, SecretStr) or value in {None, ""}:
        return "-"
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        return f"`{value.relative_to(ROOT)}` of the package"
    return f"`{value}`"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
