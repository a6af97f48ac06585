"""Filter expressions for Milvus, in which nothing that a caller wrote can be anything but a value.

Names that were checked (ids, tenants, collections) are put between quotes after they are checked again here.
Everything else, the names and values of attributes, is written as hexadecimal digits, and stored so. There
is nothing to escape, whatever the rules of a server's grammar are. (Milvus has templates for values, but
neither for names, nor in milvus-lite, which the tests run on.)
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import AttributeValue, CollectionKey, Condition
from services.retrieval.domain import Scope

_PLAIN: Final = re.compile(r"[A-Za-z0-9._:/!-]*", re.ASCII)
_MOST_BYTES: Final = 32  # that are written out: Milvus limits the size of a row's attributes


def text(value: str) -> str:
    """Return a literal. Raises InvalidInput for what is no id and no name."""
    if not _PLAIN.fullmatch(value):
        raise InvalidInput(f"{value[:100]!r} is no id", reason="ID_INVALID")
    return f'"{value}"'


def among(field: str, values: Iterable[str]) -> str:
    """Return the test that a field is one of some ids; what is none equals no field."""
    found = sorted(value for value in values if _PLAIN.fullmatch(value))
    return f"{field} in [{', '.join(text(value) for value in found)}]"


def alive(collection: CollectionKey, moment: int) -> str:
    """Return the test that a row was part of a collection at some moment."""
    return f"owner == {text(str(collection))} and born <= {moment:d} and died > {moment:d}"


def admitted(scope: Scope) -> str:
    """Return the test that an exemplar is within a scope, to be appended to another; empty if all are."""
    parts = [f"({_condition(each)})" for each in scope.conditions]
    if scope.excluded:
        parts.append(f"not ({among('exemplar_id', scope.excluded)})")
    return "".join(f" and {part}" for part in parts)


def attributes(values: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """Return attributes as a row has them: by type and name, so that 1, true and "1" are three values."""
    return {_key(_kind(value), name): _stored(value) for name, value in values.items()}


def described(labels: Iterable[str]) -> str:
    """Return the test that a description is of one of some labels, to be appended to another."""
    tests = (f'attributes["label"] == "{_hex(label)}"' for label in sorted(labels))
    return f" and ({' or '.join(tests)})"


def description(label: str, written: str) -> dict[str, Any]:
    """Return what a description's row has beside its exemplar's attributes, whose keys are longer."""
    return {"label": _hex(label), "text": written}


def _condition(condition: Condition) -> str:
    if condition.one_of:
        return " or ".join(
            f"{_field(_kind(value), condition.attribute)} == {_literal(value)}" for value in condition.one_of
        )
    number = _field("n", condition.attribute)
    tests = []
    if condition.least is not None and condition.least != -math.inf:
        tests.append(f"{number} >= {_literal(condition.least)}")
    if condition.most is not None and condition.most != math.inf:
        tests.append(f"{number} <= {_literal(condition.most)}")
    return " and ".join(tests) or f"exists {number}"


def _key(kind: str, name: str) -> str:
    return kind + _hex(name)


def _field(kind: str, name: str) -> str:
    return f'attributes["{_key(kind, name)}"]'


def _kind(value: AttributeValue) -> str:
    if isinstance(value, bool):
        return "b"
    return "s" if isinstance(value, str) else "n"


def _stored(value: AttributeValue) -> str | float | bool:
    if isinstance(value, str):
        return _hex(value)
    return value if isinstance(value, bool) else float(value)


def _literal(value: AttributeValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_hex(value)}"'
    if not math.isfinite(value):
        raise InvalidInput(f"{value} is no number to compare with", field="filter")
    return repr(float(value))


def _hex(value: str) -> str:
    """Return what stands for a text: equal for equal ones alone, and short."""
    data = value.encode("utf-8", "surrogatepass")
    return data.hex() if len(data) <= _MOST_BYTES else hashlib.sha256(data).hexdigest() + "h"
