"""From a record to how it came about: its steps run again, and what single exemplars were worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from services.gateway.domain.explaining import (
    Answer,
    Counterfactual,
    Explanation,
    answer_of,
    checked_count,
    left_out,
    region_of,
    require_answer,
    voters,
)
from services.gateway.domain.options import without_places
from services.gateway.domain.recognition import Recognition
from services.gateway.domain.replaying import ReplayedStep, compare, compare_made_with
from services.gateway.ports import Encoding, Images
from services.gateway.usecases.recognize import Steps
from services.gateway.usecases.submit import GetRecognition
from services.kernel.errors import FoveaError, NotFound, Unavailable
from services.kernel.vocabulary import ImageReference, Stage, voting_spaces


class ReplayRecognition:
    """Runs each step again on what the record says it was given, so that one change is named once.

    Args:
        get: Finds the record.
        images: Say whether the image is still there.
        steps: As they are today.
    """

    def __init__(self, get: GetRecognition, images: Images, steps: Steps) -> None:
        self._get = get
        self._images = images
        self._steps = steps

    def __call__(self, tenant: str, recognition_id: str) -> tuple[ReplayedStep, ...]:
        """Return every step in order.

        Raises:
            NotFound: There is no such record, or its image is no longer kept.
            Conflict: It ended without an answer, so there is nothing to compare with.
        """
        record = self._get(tenant, recognition_id)
        require_answer(record)
        require_image(self._images, record.envelope.image)
        return tuple(_Rerun(record, self._steps))


class _Rerun:
    """The steps of one record. What encoding answered is not in it: there its models are compared."""

    def __init__(self, record: Recognition, steps: Steps) -> None:
        self._envelope = record.envelope
        self._found = record.regions
        self._regions = tuple(each.region for each in record.regions)
        self._candidates = tuple(each.candidates for each in record.regions)
        self._options = without_places(record.envelope.options)
        self._stages = {stage.name: stage for stage in record.envelope.stages}
        self._steps = steps
        self._encoding: Encoding | None = None

    def __iter__(self) -> Iterator[ReplayedStep]:
        for name, run in (
            ("segmentation", self._segment),
            ("encoding", self._encode),
            ("retrieval", self._recall),
            ("ranking", self._rank),
        ):
            try:
                yield run(name)
            except FoveaError as error:
                yield ReplayedStep(name, error=error)

    def _segment(self, name: str) -> ReplayedStep:
        asked = self._envelope.options
        proposal = self._steps.segmenter.propose(
            self._envelope.image, shapes=asked.shapes, prompts=asked.prompts, find=asked.find
        )
        return self._compared(name, {"regions": self._regions}, {"regions": proposal.regions}, proposal.stage)

    def _encode(self, name: str) -> ReplayedStep:
        spaces = voting_spaces(self._envelope.options.votes)
        self._encoding = self._steps.encoder.encode(self._envelope.image, self._regions, spaces=spaces)
        then, now = self._stages.get(name), self._encoding.stage
        before = {"models": then.models, "reading": then.reading} if then else {}
        return self._compared(name, before, {"models": now.models, "reading": now.reading}, now)

    def _recall(self, name: str) -> ReplayedStep:
        if self._encoding is None:
            raise Unavailable("encoding could not be run, and the record holds no embeddings to go on with")
        recalled = self._steps.retriever.recall(
            self._envelope.collection, self._encoding.regions, self._options
        )
        then, now = {"candidates": self._candidates}, {"candidates": recalled.candidates}
        return self._compared(name, then, now, recalled.stage)

    def _rank(self, name: str) -> ReplayedStep:
        ordering = self._steps.ranker.rank(
            self._envelope.image, self._regions, self._candidates, self._options
        )
        then = {"rankings": tuple(each.ranking for each in self._found)}
        return self._compared(name, then, {"rankings": ordering.rankings}, ordering.stage)

    def _compared(
        self, name: str, then: Mapping[str, object], now: Mapping[str, object], stage: Stage
    ) -> ReplayedStep:
        made_with = compare_made_with(self._stages.get(name), stage)
        return ReplayedStep(name, compare(then, now), made_with)


class ExplainRecognition:
    """Says what an answer rests on: asks again without the exemplars that voted for it.

    Args:
        get: Finds the record.
        images: Say whether the image is still there.
        steps: As they are today.
    """

    def __init__(self, get: GetRecognition, images: Images, steps: Steps) -> None:
        self._get = get
        self._images = images
        self._steps = steps

    def __call__(
        self, tenant: str, recognition_id: str, *, region_id: str, exemplars: int | None
    ) -> Explanation:
        """Return the record of a region with what would be answered without single exemplars.

        Raises:
            NotFound: There is no such record or region.
            Conflict: It ended without an answer.
            InvalidInput: Too many exemplars are to be left out.
        """
        count = checked_count(exemplars)
        record = self._get(tenant, recognition_id)
        require_answer(record)
        region = region_of(record, region_id)
        explanation = Explanation(record, region, answer_of(region.ranking))
        try:
            require_image(self._images, record.envelope.image)
            return self._asked(explanation, count)
        except FoveaError as error:
            return replace(explanation, error=error)

    def _asked(self, explanation: Explanation, count: int) -> Explanation:
        record, region = explanation.recognition, explanation.region
        envelope = record.envelope
        spaces = voting_spaces(envelope.options.votes)
        encoded = self._steps.encoder.encode(envelope.image, (region.region,), spaces=spaces)

        def ask(excluded: tuple[str, ...] = ()) -> tuple[Answer, Stage]:
            options = without_places(envelope.options)
            options = replace(options, exclude_exemplar_ids=(*options.exclude_exemplar_ids, *excluded))
            found = self._steps.retriever.recall(envelope.collection, encoded.regions, options)
            ordering = self._steps.ranker.rank(envelope.image, (region.region,), found.candidates, options)
            return answer_of(ordering.rankings[0]), found.stage

        today, stage = ask()
        counterfactuals = tuple(
            Counterfactual(exemplar_ids, share, without := ask(exemplar_ids)[0], without.label != today.label)
            for exemplar_ids, share in left_out(
                voters(region.candidates, explanation.answer.label, most=count)
            )
        )
        return replace(explanation, today=today, retrieval_today=stage, counterfactuals=counterfactuals)


def require_image(images: Images, image: ImageReference) -> None:
    """Do nothing if the image is still there. Raises NotFound."""
    if not images.has(image.key):
        raise NotFound(
            "the image of this recognition is no longer kept; how long images stay is the collection's "
            "image_retention",
            field="recognition_id",
            reason="IMAGE_GONE",
        )
