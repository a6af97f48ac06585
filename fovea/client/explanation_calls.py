"""The client's calls that say why a recognition ended as it did."""

from __future__ import annotations

from typing import Final, Literal

from fovea.client.explanations import Answer, Counterfactual, Difference, Explanation, ReplayedStep
from fovea.client.reading import read_recognition
from fovea.client.session import Session
from fovea.client.statuses import from_failure
from fovea.gateway.v1 import explanations_pb2 as pb

_Outcome = Literal["same", "differs", "not_run"]
_OUTCOMES: Final[dict[int, _Outcome]] = {
    pb.STEP_OUTCOME_SAME: "same",
    pb.STEP_OUTCOME_DIFFERS: "differs",
}


class ExplanationCalls:
    """Calls about one recognition that has ended."""

    _session: Session

    def replay_recognition(self, recognition_id: str) -> tuple[ReplayedStep, ...]:
        """Run each step again on what the record says it was given; nothing is stored.

        >>> first = next((s for s in client.replay_recognition(record_id) if s.outcome == "differs"), None)

        Raises:
            NotFound: There is no such record, or its picture is no longer kept.
            Conflict: It ended without an answer.
        """
        request = pb.ReplayRecognitionRequest(tenant=self._session.tenant, recognition_id=recognition_id)
        answer = self._session.connection.call(
            self._session.connection.explanations.ReplayRecognition,
            request,
            timeout_s=self._session.timeout_s,
        )
        return tuple(map(_step, answer.steps))

    def explain(self, recognition_id: str, *, region_id: str = "", exemplars: int = 3) -> Explanation:
        """Return why a region got its answer, and what it would be without single exemplars.

        >>> for without in client.explain(record_id).counterfactuals:
        ...     print(without.exemplar_ids, without.answer.label)

        Args:
            recognition_id: Of the record.
            region_id: Which part of the picture; empty: the first.
            exemplars: How many to leave out, one at a time, those with most votes for the answer; at most 10.

        Raises:
            NotFound: There is no such record or region.
            Conflict: It ended without an answer.
        """
        request = pb.ExplainRecognitionRequest(
            tenant=self._session.tenant,
            recognition_id=recognition_id,
            region_id=region_id,
            exemplars=exemplars,
        )
        answer = self._session.connection.call(
            self._session.connection.explanations.ExplainRecognition,
            request,
            timeout_s=self._session.timeout_s,
        )
        return _explanation(answer)


def _explanation(message: pb.ExplainRecognitionResponse) -> Explanation:
    record = read_recognition(message.recognition)
    then = next((stage.memory_version for stage in record.stages if stage.name == "retrieval"), "")
    return Explanation(
        recognition=record,
        region=next(region for region in record.regions if region.region_id == message.region_id),
        answer=_answer(message.answer),
        today=_answer(message.today) if message.HasField("today") else None,
        counterfactuals=tuple(map(_counterfactual, message.counterfactuals)),
        memory_changed=message.HasField("today") and then != message.retrieval_today.memory_version,
        failure=from_failure(message.failure) if message.HasField("failure") else None,
    )


def _step(message: pb.ReplayedStep) -> ReplayedStep:
    return ReplayedStep(
        name=message.name,
        outcome=_OUTCOMES.get(message.outcome, "not_run"),
        differences=tuple(map(_difference, message.differences)),
        made_with=tuple(map(_difference, message.made_with)),
        failure=from_failure(message.failure) if message.HasField("failure") else None,
    )


def _difference(message: pb.Difference) -> Difference:
    return Difference(message.place, message.before, message.now)


def _counterfactual(message: pb.Counterfactual) -> Counterfactual:
    return Counterfactual(
        tuple(message.exemplar_ids), message.share, _answer(message.answer), message.changes
    )


def _answer(message: pb.Answer) -> Answer:
    return Answer(message.label or None, message.probability)
