"""Writes the table of topics down: `docs/asyncapi.yaml` for programs, a table in `docs/topics.md` for people.

Run `python -m infra.asyncapi` after a change of `services/runtime/topics.py`.
"""

# ruff: noqa: INP001  (no package that is installed)
from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import yaml

from services.runtime import claim_check, events
from services.runtime.event_log.settings import TopicSettings
from services.runtime.topics import DAY_S, TOPICS, TopicSpec

ROOT: Final = Path(__file__).parent.parent
ASYNCAPI: Final = ROOT / "docs" / "asyncapi.yaml"
TOPICS_PAGE: Final = ROOT / "docs" / "topics.md"
_BEGIN, _END = "<!-- table: python -m infra.asyncapi -->\n", "<!-- end of table -->\n"
_HEADERS: Final = {
    events.EVENT_ID: "The same for every repetition of the same event.",
    events.CAUSE_ID: "Id of the event whose handler made this one.",
    events.TENANT: "Whose it is.",
    events.COLLECTION: "Which memory it is about.",
    events.RECOGNITION_ID: "Which recognition it is about.",
    events.SUBMISSION_ID: "Which batch that belongs to.",
    events.TRACEPARENT: "W3C trace context.",
    events.PRODUCER: "Service and version that published it.",
    claim_check.PAYLOAD_KEY: "Where the value lies if it is over 256 KB; the last part is its SHA-256.",
    claim_check.PAYLOAD_BYTES: "Size of that value.",
}


def document() -> dict[str, Any]:
    """Return the topics as an AsyncAPI 3 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fovea's events",
            "version": metadata.version("fovea"),
            "description": "Made from services/runtime/topics.py by `python -m infra.asyncapi`.",
        },
        "defaultContentType": "application/x-protobuf",
        "channels": {name: channel for spec in TOPICS for name, channel in _channels(spec)},
        "operations": {name: operation for spec in TOPICS for name, operation in _operations(spec)},
        "components": {
            "messages": {spec.message.DESCRIPTOR.name: _message(spec) for spec in TOPICS},
            "schemas": {
                "Headers": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "description": meaning} for name, meaning in _HEADERS.items()
                    },
                }
            },
        },
    }


def table() -> str:
    """Return the topics as a table in Markdown."""
    rows = [
        "| topic | message | key | partitions | kept | written by | read by | dead letters read by |",
        "|---|---|---|---:|---|---|---|---|",
    ]
    for spec in TOPICS:
        cells = (
            f"`{spec.name}`",
            f"`{spec.message.DESCRIPTOR.full_name}`",
            spec.key,
            str(spec.settings.partitions),
            _kept(spec.settings),
            ", ".join((spec.owner, *spec.writers)),
            ", ".join(spec.consumers) or "-",
            ", ".join(spec.dead_consumers) or "-",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    """Return the page with its table replaced by the one of today."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{table()}{_END}{after}"


def written(document: Any) -> str:
    """Return plain data as YAML, with texts of several lines as they are."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _channels(spec: TopicSpec) -> Sequence[tuple[str, Any]]:
    dead = f"Events of {spec.name} that nobody could handle: as they were, with `dead-` headers that say why."
    return (
        (spec.name, _channel(spec, spec.name, spec.meaning, spec.settings)),
        (spec.dead, _channel(spec, spec.dead, dead, TOPICS.dead)),
    )


def _channel(spec: TopicSpec, name: str, description: str, settings: TopicSettings) -> Any:
    message = spec.message.DESCRIPTOR.name
    retention_ms = -1 if settings.retention_s is None else int(settings.retention_s * 1000)
    configuration: dict[str, Any] = {"cleanup.policy": ["compact" if settings.compacted else "delete"]}
    if not settings.compacted:
        configuration["retention.ms"] = retention_ms
    return {
        "address": name,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": settings.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": "0.5.0",
            }
        },
        "x-owner": spec.owner,
    }


def _operations(spec: TopicSpec) -> Iterator[tuple[str, Any]]:
    for service in (spec.owner, *spec.writers):
        yield f"{service}.send.{spec.name}", _operation("send", spec.name, service)
    for service in spec.consumers:
        yield f"{service}.receive.{spec.name}", _operation("receive", spec.name, service)
        yield f"{service}.send.{spec.dead}", _operation("send", spec.dead, service)
    for service in spec.dead_consumers:
        yield f"{service}.receive.{spec.dead}", _operation("receive", spec.dead, service)


def _operation(action: str, topic: str, service: str) -> Any:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}, "x-service": service}


def _message(spec: TopicSpec) -> Any:
    file = spec.message.DESCRIPTOR.file.name
    return {
        "name": spec.message.DESCRIPTOR.full_name,
        "summary": spec.meaning,
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {
            "schemaFormat": "application/vnd.google.protobuf;version=3",
            "schema": (ROOT / "protos" / file).read_text(encoding="utf-8"),
        },
        "bindings": {
            "kafka": {"key": {"type": "string", "description": spec.key}, "bindingVersion": "0.5.0"}
        },
    }


def _kept(settings: TopicSettings) -> str:
    if settings.compacted:
        return "newest of each key, for ever"
    return "for ever" if settings.retention_s is None else f"{settings.retention_s / DAY_S:g} days"


def main() -> None:
    """Write both."""
    ASYNCAPI.write_text(written(document()), encoding="utf-8")
    TOPICS_PAGE.write_text(page(TOPICS_PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
