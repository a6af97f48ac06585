"""Tasks, records and failures."""

from __future__ import annotations

import threading

from fovea.gateway.v1 import gateway_pb2 as pb
from fovea.kernel.v1 import recognition_pb2
from services.gateway.domain.recognition import (
    Progress,
    Recognition,
    RecognitionState,
    RecognizedRegion,
    Task,
)
from services.kernel import errors
from services.kernel.errors import FoveaError
from services.kernel.validation import checked_id, checked_name
from services.kernel.vocabulary import MaskFormat
from services.runtime import memory_version, tracing
from services.runtime.codec.candidates import read_candidates, write_candidates
from services.runtime.codec.failure import read_failure, write_failure
from services.runtime.codec.prompt import require_known_format
from services.runtime.codec.recognition import (
    read_collection,
    read_envelope,
    read_options,
    read_ranking,
    read_time,
    write_envelope,
    write_ranking,
    write_time,
)
from services.runtime.codec.region import read_region, write_region

_STATES = {
    RecognitionState.COMPLETED: recognition_pb2.RECOGNITION_STATE_COMPLETED,
    RecognitionState.FAILED: recognition_pb2.RECOGNITION_STATE_FAILED,
}
_STATES_READ = {message: value for value, message in _STATES.items()}


def read_task(message: pb.RecognitionTask, *, submission_id: str = "") -> Task:
    """Read one image and what to do with it. Fields are named as the task knows them."""
    require_known_format(message.options.find, field="options.find")
    options = read_options(message.options)
    if options.min_memory_version:
        memory_version.decode(options.min_memory_version, field="options.min_memory_version")
    trace = tracing.current()
    return Task(
        collection=read_collection(message.collection),
        image=message.image,
        options=options,
        recognition_id=read_optional_id(message.recognition_id, field="recognition_id"),
        submission_id=submission_id,
        trace_id=trace.trace_id if trace else "",
    )


def read_tenant(name: str) -> str:
    """Read a tenant's name, `default` standing for none."""
    return checked_name(name or "default", field="tenant")


def read_id(value: str, *, field: str) -> str:
    """Read an id that must be there."""
    return checked_id(value, field=field)


def read_optional_id(value: str, *, field: str) -> str:
    """Read an id; empty: the gateway chooses one."""
    return checked_id(value, field=field) if value else ""


class _Last(threading.local):
    """What this thread wrote last."""

    recognition: Recognition | None = None
    message: recognition_pb2.Recognition | None = None


_LAST = _Last()


def write_recognition(recognition: Recognition) -> recognition_pb2.Recognition:
    """Write a record; whoever puts it into another message copies it, so it must not be changed.

    One call stores, announces and answers the same record: it is written once.
    """
    if _LAST.message is None or _LAST.recognition is not recognition:
        _LAST.recognition, _LAST.message = recognition, _written(recognition)
    return _LAST.message


def write_answer(recognition: Recognition) -> recognition_pb2.Recognition:
    """Write a record for a caller, with masks in the form asked for; what is kept has run lengths."""
    mask_format = recognition.envelope.options.find.mask_format
    if mask_format is MaskFormat.RLE:
        return write_recognition(recognition)
    return _written(recognition, mask_format)


def _written(
    recognition: Recognition, mask_format: MaskFormat = MaskFormat.RLE
) -> recognition_pb2.Recognition:
    return recognition_pb2.Recognition(
        envelope=write_envelope(recognition.envelope),
        state=_STATES[recognition.state],
        regions=[_write_region(each, mask_format) for each in recognition.regions],
        failure=None if recognition.failure is None else write_failure(recognition.failure),
        ended_at=write_time(recognition.ended_at_s),
    )


def read_recognition(message: recognition_pb2.Recognition) -> Recognition:
    """Read a record."""
    return Recognition(
        envelope=read_envelope(message.envelope),
        state=_STATES_READ.get(message.state, RecognitionState.FAILED),
        regions=tuple(_read_region(each, i) for i, each in enumerate(message.regions)),
        failure=read_failure(message.failure) if message.HasField("failure") else None,
        ended_at_s=read_time(message.ended_at),
    )


def _write_region(found: RecognizedRegion, mask_format: MaskFormat) -> recognition_pb2.RecognizedRegion:
    return recognition_pb2.RecognizedRegion(
        region=write_region(found.region, mask_format),
        ranking=write_ranking(found.ranking),
        candidates=write_candidates(found.candidates),
    )


def _read_region(message: recognition_pb2.RecognizedRegion, index: int) -> RecognizedRegion:
    return RecognizedRegion(
        region=read_region(message.region, field=f"regions[{index}].region"),
        ranking=read_ranking(message.ranking),
        candidates=read_candidates(message.candidates),
    )


def error_named(name: str, message: str, *, field: str = "", reason: str = "") -> FoveaError:
    """Return the kernel error that another process raised under this class name."""
    kind = getattr(errors, name, FoveaError)
    known = isinstance(kind, type) and issubclass(kind, FoveaError)
    return (kind if known else FoveaError)(message, field=field, reason=reason)


def outer_field(field: str) -> str:
    """Return a field as the caller knows it: what segmentation calls `shapes[2]` lies in the options."""
    return f"options.{field}" if field.startswith(("shapes", "prompts", "find")) else field


def write_progress(progress: Progress) -> pb.GetSubmissionResponse:
    """Write how far a submission is."""
    return pb.GetSubmissionResponse(
        accepted=progress.accepted, completed=progress.completed, failed=progress.failed
    )
