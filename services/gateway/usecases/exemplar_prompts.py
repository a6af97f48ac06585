"""Prompts that are exemplars: from the id that a caller gives to what the exemplar looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from services.gateway.domain.options import without_pictures
from services.gateway.domain.teaching import ExemplarQuery
from services.gateway.ports import Retriever
from services.kernel.errors import InvalidInput, NotFound
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    CollectionKey,
    Exemplar,
    ExemplarPicture,
    Prompt,
    PromptKind,
    RecognitionOptions,
)


def shown(options: RecognitionOptions, collection: CollectionKey, retriever: Retriever) -> RecognitionOptions:
    """Return the options with the picture of each exemplar that is a prompt, so that finding it asks nobody.

    Raises:
        NotFound: The collection has no such exemplar; the field is `options.prompts[2].exemplar_id`.
        InvalidInput: The exemplar has no picture; the field is the same.
        Unavailable: The memory is down, or not as new as the options ask.
    """
    prompts = without_pictures(options.prompts)  # what a caller sends may be another tenant's
    ids = [prompt.text for prompt in prompts if prompt.kind is PromptKind.EXEMPLAR]
    known = dict(_exemplars(ids, collection, options.min_memory_version, retriever))
    settled = tuple(_shown(prompt, known, f"options.prompts[{i}]") for i, prompt in enumerate(prompts))
    return replace(options, prompts=settled)


def _exemplars(
    ids: Sequence[str], collection: CollectionKey, min_memory_version: str, retriever: Retriever
) -> Iterator[tuple[str, Exemplar]]:
    for start in range(0, len(ids), LIMITS.page_size):
        some = tuple(ids[start : start + LIMITS.page_size])
        query = ExemplarQuery(
            collection,
            page_size=len(some),
            min_memory_version=min_memory_version,
            exemplar_ids=some,
        )
        yield from ((each.exemplar_id, each) for each in retriever.list_exemplars(query).exemplars)


def _shown(prompt: Prompt, known: Mapping[str, Exemplar], field: str) -> Prompt:
    if prompt.kind is not PromptKind.EXEMPLAR:
        return prompt
    exemplar = known.get(prompt.text)
    if exemplar is None:
        raise NotFound(
            f"{field} is the exemplar {prompt.text!r}, which the collection does not have",
            field=f"{field}.exemplar_id",
            reason="EXEMPLAR_UNKNOWN",
        )
    if exemplar.image is None or not exemplar.image.key:
        raise InvalidInput(
            f"{field} is an exemplar of {exemplar.label!r} without a picture: send a name or phrase instead",
            field=f"{field}.exemplar_id",
            reason="EXEMPLAR_WITHOUT_PICTURE",
        )
    return prompt._replace(picture=ExemplarPicture(exemplar.image, exemplar.region))
