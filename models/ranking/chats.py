"""How families of models want a question wrapped before they answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from models.ranking.pieces import Control, Image, Piece, Prompt, Text, joined

Blanks: TypeAlias = Literal["none", "first", "all"]


@dataclass(frozen=True)
class Chat:
    """One turn of a user, and the beginning of the answer.

    Attributes:
        name: Of the family.
        opening: Before the question.
        closing: After it, up to where the model answers.
        image: What stands for the image in a text (`as_text`).
        frame: Pieces before and behind each image.
        gap: Between `closing` and the first words of an answer that is begun for the model.
    """

    name: str
    opening: tuple[Piece, ...]
    closing: tuple[Piece, ...]
    image: str = "<image>"
    frame: tuple[tuple[Piece, ...], tuple[Piece, ...]] = ((), ())
    gap: str = ""

    def wrap(self, question: Sequence[Piece], answer: str = "") -> Prompt:
        """Return the prompt that asks the question and begins the answer."""
        before, behind = self.frame
        inner = [
            part
            for piece in question
            for part in ((*before, piece, *behind) if isinstance(piece, Image) else (piece,))
        ]
        begun = (Text(self.gap + answer),) if answer else ()
        return joined((*self.opening, *inner, *self.closing, *begun))


_START: Final = Control("<|im_start|>")
_END: Final = Control("<|im_end|>")
_LINE: Final = Text("\n")
_UTTERED: Final = Control("<end_of_utterance>")

CHATML: Final = Chat("chatml", (_START, Text("user\n")), (_END, _LINE, _START, Text("assistant\n")))
"""SmolLM2's, without a system turn: every token costs time."""
LLAVA: Final = Chat("llava", (Text("USER: "),), (Text(" ASSISTANT:"),), gap=" ")
"""LLaVA 1.5's, and that of LLaVA-NeXT on Vicuna."""
LLAVA_QWEN: Final = Chat("llava-qwen", (_START, Text("user ")), (_END, _START, Text("assistant\n")))
"""LLaVA-Interleave's and LLaVA-OneVision's, on Qwen2."""
LLAVA_MISTRAL: Final = Chat("llava-mistral", (Text("[INST] "),), (Text(" [/INST]"),), gap=" ")
"""LLaVA-NeXT's on Mistral."""
QWEN_VL: Final = Chat(
    "qwen-vl",
    (_START, Text("system\nYou are a helpful assistant."), _END, _LINE, _START, Text("user\n")),
    (_END, _LINE, _START, Text("assistant\n")),
    image="<|image_pad|>",
    frame=((Control("<|vision_start|>"),), (Control("<|vision_end|>"),)),
)
"""Qwen2-VL's and Qwen2.5-VL's."""
IDEFICS2: Final = Chat("idefics2", (Text("User:"),), (_UTTERED, Text("\nAssistant:")), gap=" ")
"""Idefics2's."""
IDEFICS3: Final = Chat(
    "idefics3",
    (Control("<|begin_of_text|>"), Text("User:")),
    (_UTTERED, Text("\nAssistant:")),
    gap=" ",
)
"""Idefics3's on Llama 3."""
SMOLVLM: Final = Chat("smolvlm", (_START, Text("User:")), (_UTTERED, Text("\nAssistant:")), gap=" ")
"""SmolVLM's, which is an Idefics3 on SmolLM2."""
_AROUND: Final = Control("<fake_token_around_image>")
_WHOLE: Final = ((_AROUND, Control("<global-img>")), (_AROUND,))
IDEFICS3_WHOLE: Final = replace(IDEFICS3, name="idefics3-whole", frame=_WHOLE)
"""Idefics3's as its own processor writes it for a picture that is not cut into tiles; a server does that."""
SMOLVLM_WHOLE: Final = replace(SMOLVLM, name="smolvlm-whole", frame=_WHOLE)
"""The same of SmolVLM."""
PLAIN: Final = Chat("plain", (), (), gap="\n")
"""None: the server wraps the question itself, as those do that take messages."""

CHATS: Final[Mapping[str, Chat]] = MappingProxyType(
    {
        chat.name: chat
        for chat in (
            CHATML,
            LLAVA,
            LLAVA_MISTRAL,
            LLAVA_QWEN,
            QWEN_VL,
            IDEFICS2,
            IDEFICS3,
            IDEFICS3_WHOLE,
            SMOLVLM,
            SMOLVLM_WHOLE,
            PLAIN,
        )
    }
)


def begun(prompt: Prompt, *, begin: str = "", blanks: Blanks = "none") -> Prompt:
    """Return a prompt as a tokenizer with habits of its own would lay it out, for one that has none.

    Args:
        prompt: Its pieces.
        begin: The special token that is put before all; empty: none.
        blanks: Whether a blank is written before the first piece, if that is text, or before each text that
            begins or that follows a special token or an image.
    """
    pieces: list[Piece] = [Control(begin)] if begin else []
    for place, piece in enumerate(prompt):
        spaced = isinstance(piece, Text) and (blanks == "all" or (blanks == "first" and place == 0))
        pieces += [Text(" "), piece] if spaced else [piece]
    return joined(pieces)
