"""Prompts, and how to look for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import methodcaller

from fovea.kernel.v1 import prompt_pb2, region_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_share, checked_text, plain_texts
from services.kernel.vocabulary import ExemplarPicture, FindOptions, MaskFormat, Prompt, PromptKind
from services.runtime.codec.region import read_image, read_region, write_image, write_region

_FIELDS = {
    PromptKind.NAME: "name",
    PromptKind.PHRASE: "phrase",
    PromptKind.SENTENCE: "sentence",
    PromptKind.EXEMPLAR: "exemplar_id",
}
_KINDS = {name: kind for kind, name in _FIELDS.items()}
_HAS_PICTURE = methodcaller("HasField", "picture")
_FORMATS = {
    MaskFormat.RLE: region_pb2.MASK_FORMAT_RLE,
    MaskFormat.POLYGONS: region_pb2.MASK_FORMAT_POLYGONS,
}
_FORMATS_READ = {message: value for value, message in _FORMATS.items()}


def read_prompts(messages: Sequence[prompt_pb2.Prompt], *, field: str) -> tuple[Prompt, ...]:
    """Read the prompts of one image: of each kind, no text twice."""
    if len(messages) > LIMITS.prompts_per_image:
        raise InvalidInput(
            f"{field} has {len(messages)} entries, at most {LIMITS.prompts_per_image} are allowed",
            field=field,
            reason="TOO_MANY_PROMPTS",
        )
    messages = list(messages)  # each is made anew whenever the field is gone through
    prompts = _read_alike(messages)
    if prompts is None:
        prompts = tuple(_read_prompt(message, field=f"{field}[{i}]") for i, message in enumerate(messages))
    _require_distinct(prompts, field=field)
    return prompts


def write_prompt(prompt: Prompt) -> prompt_pb2.Prompt:
    """Write a prompt."""
    message = prompt_pb2.Prompt(picture=None if prompt.picture is None else _write_picture(prompt.picture))
    setattr(message, _FIELDS[prompt.kind], prompt.text)
    return message


def read_find(message: prompt_pb2.FindOptions, *, field: str) -> FindOptions:
    """Read how to look for prompts."""
    return FindOptions(
        threshold=_read_share(message, "threshold", field=field),
        overlap=_read_share(message, "overlap", field=field),
        tiles=message.tiles if message.HasField("tiles") else None,
        mask_format=_FORMATS_READ.get(
            message.mask_format, MaskFormat.RLE
        ),  # events may be of a newer release
    )


def require_known_format(message: prompt_pb2.FindOptions, *, field: str) -> None:
    """Raise InvalidInput if a caller asks for masks in a form that this release does not have."""
    if message.mask_format not in {region_pb2.MASK_FORMAT_UNSPECIFIED, *_FORMATS_READ}:
        raise InvalidInput(
            f"{field}.mask_format is {message.mask_format}, which is no form of a mask: 1 is run lengths, "
            "2 polygons",
            field=f"{field}.mask_format",
            reason="MASK_FORMAT_UNKNOWN",
        )


def write_find(options: FindOptions) -> prompt_pb2.FindOptions | None:
    """Write how to look for prompts; nothing if nothing was said."""
    if options == FindOptions():
        return None
    return prompt_pb2.FindOptions(
        threshold=options.threshold,
        overlap=options.overlap,
        tiles=options.tiles,
        mask_format=_FORMATS[options.mask_format],
    )


def _read_alike(messages: Sequence[prompt_pb2.Prompt]) -> tuple[Prompt, ...] | None:
    """Return what `_read_prompt` makes of each, in a third of the time, which is long for a thousand names.

    None: they are of several kinds, one has a picture, or a text has to be looked at by itself.
    """
    name = messages[0].WhichOneof("kind") if messages else None
    if name is None:
        return None
    texts = plain_texts([getattr(message, name) for message in messages], most=LIMITS.prompt_characters)
    if texts is None or any(map(_HAS_PICTURE, messages)):
        return None  # a prompt of another kind has no text in this field
    return tuple(map(Prompt, repeat(_KINDS[name]), texts, repeat(None)))


def _read_prompt(message: prompt_pb2.Prompt, *, field: str) -> Prompt:
    name = message.WhichOneof("kind")
    if name is None:
        raise InvalidInput(f"{field} is empty", field=field, reason="PROMPT_MISSING")
    text = checked_text(getattr(message, name), field=f"{field}.{name}", most=LIMITS.prompt_characters)
    picture = _read_picture(message.picture, field=field) if message.HasField("picture") else None
    return Prompt(_KINDS[name], text, picture)


def _require_distinct(prompts: Sequence[Prompt], *, field: str) -> None:
    """Raise InvalidInput for a repeated prompt: each thing would be found twice, and recognised twice."""
    if len({prompt.text for prompt in prompts}) == len(prompts):
        return
    seen: dict[tuple[PromptKind, str], int] = {}
    for i, prompt in enumerate(prompts):
        first = seen.setdefault((prompt.kind, prompt.text), i)
        if first != i:
            repeated = f"{field}[{i}].{_FIELDS[prompt.kind]}"
            raise InvalidInput(
                f"{repeated} says what {field}[{first}] says: {prompt.text[:80]!r}; send each prompt once",
                field=repeated,
                reason="PROMPT_DUPLICATE",
            )


def _read_picture(message: prompt_pb2.ExemplarPicture, *, field: str) -> ExemplarPicture:
    region = None
    if message.HasField("region"):
        region = read_region(message.region, field=f"{field}.picture.region")
    return ExemplarPicture(read_image(message.image), region)


def _write_picture(picture: ExemplarPicture) -> prompt_pb2.ExemplarPicture:
    return prompt_pb2.ExemplarPicture(
        image=write_image(picture.image),
        region=None if picture.region is None else write_region(picture.region),
    )


def _read_share(message: prompt_pb2.FindOptions, name: str, *, field: str) -> float | None:
    if not message.HasField(name):  # type: ignore[arg-type]  # one of the shares
        return None
    return checked_share(getattr(message, name), field=f"{field}.{name}")
