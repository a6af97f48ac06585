"""Replays and explanations."""

from __future__ import annotations

from collections.abc import Sequence

from fovea.gateway.v1 import explanations_pb2 as pb
from fovea.kernel.v1 import failure_pb2
from services.gateway.codec.recognition import write_answer
from services.gateway.domain.explaining import Answer, Counterfactual, Explanation
from services.gateway.domain.replaying import Difference, Outcome, ReplayedStep
from services.kernel.errors import FoveaError
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.codec.recognition import write_stage

_OUTCOMES = {
    Outcome.SAME: pb.STEP_OUTCOME_SAME,
    Outcome.DIFFERS: pb.STEP_OUTCOME_DIFFERS,
    Outcome.NOT_RUN: pb.STEP_OUTCOME_NOT_RUN,
}


def write_replay(steps: Sequence[ReplayedStep]) -> pb.ReplayRecognitionResponse:
    """Write what became of each step."""
    return pb.ReplayRecognitionResponse(steps=map(_write_step, steps))


def write_explanation(explanation: Explanation) -> pb.ExplainRecognitionResponse:
    """Write why a region got its answer."""
    today, stage, error = explanation.today, explanation.retrieval_today, explanation.error
    return pb.ExplainRecognitionResponse(
        recognition=write_answer(explanation.recognition),
        region_id=explanation.region.region.region_id,
        answer=_write_answer(explanation.answer),
        today=None if today is None else _write_answer(today),
        counterfactuals=map(_write_counterfactual, explanation.counterfactuals),
        retrieval_today=None if stage is None else write_stage(stage),
        failure=None if error is None else _write_error(error),
    )


def _write_step(step: ReplayedStep) -> pb.ReplayedStep:
    return pb.ReplayedStep(
        name=step.name,
        outcome=_OUTCOMES[step.outcome],
        differences=map(_write_difference, step.differences),
        made_with=map(_write_difference, step.made_with),
        failure=None if step.error is None else _write_error(step.error),
    )


def _write_difference(difference: Difference) -> pb.Difference:
    return pb.Difference(place=difference.place, before=difference.before, now=difference.now)


def _write_counterfactual(found: Counterfactual) -> pb.Counterfactual:
    return pb.Counterfactual(
        exemplar_ids=found.exemplar_ids,
        share=found.share,
        answer=_write_answer(found.answer),
        changes=found.changes,
    )


def _write_answer(answer: Answer) -> pb.Answer:
    return pb.Answer(label=answer.label, probability=answer.probability)


def _write_error(error: FoveaError) -> failure_pb2.Failure:
    return write_failure(failure_of(error))
