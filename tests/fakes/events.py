"""An event of each topic with every field filled, for tests of what is read in them.

`python -m tests.fakes.events FOLDER` writes them down. Each release adds those of its schema as
tests/contract/released/VERSION: later releases must read them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.runtime.topics import TOPICS

_TEXTS: Final = {
    "tenant": "acme",
    "collection": "birds",
    "digest": "0f" * 32,
    "media_type": "image/png",
    "region_id": "r0",
    "text": "a small brown bird",
    "exemplar_id": "e1",
    "space": "visual",
    "status": "INVALID_ARGUMENT",
}
_NUMBERS: Final = {"left": 1.0, "top": 2.0, "right": 30.0, "bottom": 40.0, "temperature": 0.1}
_SKIPPED: Final = frozenset({"prompts"})  # not together with shapes
_TIMESTAMP: Final = "google.protobuf.Timestamp"


def filled(topic: str) -> Message:
    """Return an event of a topic."""
    message = TOPICS[topic].message()
    fill(message)
    return message


def fill(message: Any) -> None:
    """Give every field a value that can be understood; of a choice the first."""
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == _TIMESTAMP:
        message.seconds, message.nanos = 1_700_000_000, 250_000_000
        return
    for field in descriptor.fields:
        choice = field.containing_oneof
        later = choice is not None and len(choice.fields) > 1 and choice.fields[0].name != field.name
        if not later and field.name not in _SKIPPED:
            _fill_field(message, field)


def _fill_field(message: Any, field: FieldDescriptor) -> None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        fill(getattr(message, field.name)["colour"])
    elif entry is not None:
        value = getattr(message, field.name)
        fill(value.add() if field.is_repeated else value)
    elif field.is_repeated:
        getattr(message, field.name).extend(_counts() if field.name == "counts" else [_scalar(field)])
    else:
        setattr(message, field.name, _scalar(field))


def _counts() -> list[int]:
    return [0, 9]


def _scalar(field: FieldDescriptor) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING and field.type == FieldDescriptor.TYPE_BYTES:
        return np.array([0.6, 0.8], "<f4").tobytes()
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _TEXTS.get(field.name, f"{field.name}-1")
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _NUMBERS.get(field.name, 0.5)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return True
    return 1 if kind == FieldDescriptor.CPPTYPE_ENUM else 3


def main() -> None:
    """Write one file a topic."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for spec in TOPICS:
        data = filled(spec.name).SerializeToString(deterministic=True)
        (folder / f"{spec.name}.binpb").write_bytes(data)


if __name__ == "__main__":
    main()
