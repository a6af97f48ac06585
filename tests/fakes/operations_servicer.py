"""Dead letters of a few lines behind `OperationsService`."""

# ruff: noqa: N802  (the names are the proto's)
from __future__ import annotations

import grpc

from fovea.gateway.v1 import operations_pb2 as pb
from fovea.gateway.v1 import operations_pb2_grpc
from fovea.kernel.v1 import failure_pb2
from tests.fakes.script import Script


def a_letter(offset: int, *, topic: str = "exemplars.submitted") -> pb.DeadLetter:
    """Return a letter that a damaged picture led to."""
    letter = pb.DeadLetter(
        id=f"{topic}.dead:0:{offset}",
        topic=topic,
        partition=3,
        offset=70 + offset,
        key=f"default/birds/x{offset}",
        headers={"event-id": f"e{offset}"},
        failure=failure_pb2.Failure(status="INVALID_ARGUMENT", reason="IMAGE_TRUNCATED", message="cut off"),
        attempts=1,
        service="encoding",
        service_version="1.2",
    )
    letter.first_seen_at.FromSeconds(1_700_000_000)
    letter.last_seen_at.FromSeconds(1_700_000_000 + offset)
    return letter


class FakeOperations(operations_pb2_grpc.OperationsServiceServicer):
    """Keeps two letters, one of them of a recognition."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.letters = [a_letter(2, topic="images.submitted"), a_letter(1)]

    def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ListDeadLettersResponse:
        self.script.begin("ListDeadLetters", context, request)
        return pb.ListDeadLettersResponse(letters=self._meant(request.filter))

    def GetDeadLetter(
        self, request: pb.GetDeadLetterRequest, context: grpc.ServicerContext
    ) -> pb.GetDeadLetterResponse:
        self.script.begin("GetDeadLetter", context, request)
        found = self._meant(pb.DeadLetterFilter(ids=[request.id]))
        if not found:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no dead letter {request.id}")
        return pb.GetDeadLetterResponse(letter=found[0], value=b"\x00\xff")

    def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDeadLettersResponse:
        self.script.begin("ReplayDeadLetters", context, request)
        return pb.ReplayDeadLettersResponse(
            replays=[self._replayed(letter, request) for letter in self._meant(request.filter)]
        )

    def _replayed(self, letter: pb.DeadLetter, request: pb.ReplayDeadLettersRequest) -> pb.Replay:
        if letter.topic == "images.submitted":
            refused = failure_pb2.Failure(
                status="ALREADY_EXISTS", reason="RECOGNITION_ENDED", message="submit it again"
            )
            return pb.Replay(letter=letter, outcome=pb.REPLAY_OUTCOME_REFUSED, failure=refused)
        if request.dry_run:
            return pb.Replay(letter=letter, outcome=pb.REPLAY_OUTCOME_WOULD_REPLAY)
        if letter.HasField("replayed_at") and not request.again:
            return pb.Replay(letter=letter, outcome=pb.REPLAY_OUTCOME_ALREADY_REPLAYED)
        letter.replayed_at.FromSeconds(1_700_001_000)
        return pb.Replay(letter=letter, outcome=pb.REPLAY_OUTCOME_REPLAYED)

    def _meant(self, wanted: pb.DeadLetterFilter) -> list[pb.DeadLetter]:
        return [
            letter
            for letter in self.letters
            if wanted.topic in ("", letter.topic)
            and wanted.reason in ("", letter.failure.reason)
            and (not wanted.ids or letter.id in wanted.ids)
        ]
