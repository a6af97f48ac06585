"""Collections and their settings."""

from __future__ import annotations

from fovea.gateway.v1 import collections_pb2 as pb
from fovea.gateway.v1 import events_pb2
from fovea.kernel.v1 import envelope_pb2
from services.gateway.codec.calibration import read_calibration, write_calibration
from services.gateway.codec.migrations import read_migration, write_migration
from services.gateway.domain.collections import Collection, Retention, RetentionPolicy
from services.gateway.domain.hierarchy import LabelParent
from services.kernel.errors import InvalidInput
from services.runtime.codec.candidates import write_vote
from services.runtime.codec.recognition import read_collection as read_key
from services.runtime.codec.recognition import read_options
from services.runtime.codec.recognition import write_collection as write_key

_POLICIES = {
    RetentionPolicy.KEEP: pb.RETENTION_POLICY_KEEP,
    RetentionPolicy.DAYS: pb.RETENTION_POLICY_DAYS,
    RetentionPolicy.NONE: pb.RETENTION_POLICY_NONE,
}
_POLICIES_READ = {
    pb.RETENTION_POLICY_UNSPECIFIED: RetentionPolicy.KEEP,
    **{message: policy for policy, message in _POLICIES.items()},
}


def read_collection(message: pb.Collection) -> Collection:
    """Read a collection. Raises InvalidInput, naming the field."""
    # Votes and thresholds follow the same rules as those of a request.
    settings = envelope_pb2.RecognitionOptions(votes=message.votes)
    for name in ("trust_threshold", "unknown_threshold", "level_threshold", "neighbours_per_label"):
        if message.HasField(name):
            setattr(settings, name, getattr(message, name))
    options = read_options(settings, field="collection")
    return Collection(
        key=read_key(message.key),
        description=message.description.strip(),
        retention=_read_retention(message.image_retention),
        votes=options.votes,
        trust_threshold=options.trust_threshold,
        unknown_threshold=options.unknown_threshold,
        level_threshold=options.level_threshold,
        neighbours_per_label=options.neighbours_per_label,
        migrations=tuple(map(read_migration, message.migrations)),
        calibration=read_calibration(message.calibration) if message.HasField("calibration") else None,
        hierarchy=tuple(LabelParent(each.label.strip(), each.parent.strip()) for each in message.hierarchy),
    )


def read_changed(event: events_pb2.CollectionChanged) -> Collection:
    """Read a collection from the log; how a newer release keeps its images is here to keep them all."""
    collection = event.collection
    if collection.image_retention.policy not in _POLICIES_READ:
        collection = pb.Collection()
        collection.CopyFrom(event.collection)
        collection.ClearField("image_retention")
    return read_collection(collection)


def _read_retention(message: pb.ImageRetention) -> Retention:
    policy = _POLICIES_READ.get(message.policy)
    if policy is None:
        raise InvalidInput(
            f"collection.image_retention.policy is {message.policy}, which is none of keep, days, none",
            field="collection.image_retention.policy",
            reason="RETENTION_INVALID",
        )
    return Retention(policy, message.days)


def write_collection(collection: Collection) -> pb.Collection:
    """Write a collection."""
    return pb.Collection(
        key=write_key(collection.key),
        description=collection.description,
        image_retention=pb.ImageRetention(
            policy=_POLICIES[collection.retention.policy], days=collection.retention.days
        ),
        votes=map(write_vote, collection.votes),
        trust_threshold=collection.trust_threshold,
        unknown_threshold=collection.unknown_threshold,
        level_threshold=collection.level_threshold,
        neighbours_per_label=collection.neighbours_per_label,
        migrations=map(write_migration, collection.migrations),
        calibration=None if collection.calibration is None else write_calibration(collection.calibration),
        hierarchy=[pb.LabelParent(label=each.label, parent=each.parent) for each in collection.hierarchy],
    )
