"""Texts to the token ids of the language model, and back.

The vocabulary is a byte-level BPE that takes digits one by one, and is read from the fields of the GGUF file.
Text never becomes a special token: those are asked for by name alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer as PackagedTokenizer
from tokenizers import decoders, models, pre_tokenizers

from models.language.gguf import Gguf, GgufError

_NORMAL: Final = 1
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_BYTES: Final = 256
_FAMILY: Final = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"}


class LanguageTokenizer:
    """Reads and writes token ids. Safe to use from many threads.

    Args:
        packaged: Knows the words, and no special tokens.
        controls: The special tokens, by name.
        unwritable: Bytes that no token has.
    """

    def __init__(
        self, packaged: PackagedTokenizer, controls: dict[str, int], unwritable: frozenset[int]
    ) -> None:
        self._packaged = packaged
        self._controls = controls
        self._unwritable = unwritable

    @classmethod
    def from_file(cls, path: Path) -> LanguageTokenizer:
        """Open the file that has the weights. Raises GgufError."""
        return cls.from_gguf(Gguf.open(path))

    @classmethod
    def from_gguf(cls, file: Gguf) -> LanguageTokenizer:
        """Return the tokenizer that a file describes. Raises GgufError."""
        for name, wanted in _FAMILY.items():
            if file.text(name) != wanted:
                raise GgufError(f"{name} is {file.text(name)}; {wanted} is read here")
        tokens = file.texts("tokenizer.ggml.tokens")
        kinds = file.numbers("tokenizer.ggml.token_type")
        vocabulary = {token: number for number, token in enumerate(tokens)}
        if len(vocabulary) != len(tokens) or len(kinds) != len(tokens):
            raise GgufError("two tokens have one name, or some have no kind")
        packaged = PackagedTokenizer(_bpe(vocabulary, file.texts("tokenizer.ggml.merges")))
        packaged.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        packaged.decoder = decoders.ByteLevel()
        special = (number for number, kind in enumerate(kinds) if kind != _NORMAL)
        unwritable = (byte for byte, sign in enumerate(_byte_signs()) if sign not in vocabulary)
        return cls(packaged, {tokens[number]: number for number in special}, frozenset(unwritable))

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text, none of which is special, whatever the text says.

        A character that the vocabulary cannot write becomes the replacement character, and is not left out.
        """
        written = text.encode(errors="replace")
        text = written.decode()
        if not self._unwritable.isdisjoint(written):
            text = "".join(
                _REPLACEMENT if self._is_unwritable(character) else character for character in text
            )
        return tuple(self._packaged.encode(text, add_special_tokens=False).ids)

    def _is_unwritable(self, character: str) -> bool:
        return not self._unwritable.isdisjoint(character.encode())

    def control(self, name: str) -> int:
        """Return a special token, such as `<|im_end|>`. Raises KeyError."""
        return self._controls[name]

    @property
    def controls(self) -> tuple[str, ...]:
        """The names of the special tokens."""
        return tuple(self._controls)

    def decode(self, tokens: Iterable[int]) -> str:
        """Return what tokens say; special ones by their names."""
        return str(self._packaged.decode(list(tokens), skip_special_tokens=False))


def _bpe(vocabulary: dict[str, int], merges: Iterable[str]) -> models.BPE:
    pairs = [merge.split(" ") for merge in merges]
    try:
        return models.BPE(vocabulary, [(first, second) for first, second in pairs])
    except Exception as error:  # the library raises nothing narrower
        raise GgufError(f"the merges do not go with the tokens: {error}") from error


def _byte_signs() -> list[str]:
    """Return the character that stands for each byte: itself where it can be seen, else one from 256 on."""
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    unseen = [byte for byte in range(_BYTES) if byte not in seen]
    return [chr(byte if byte in seen else _BYTES + unseen.index(byte)) for byte in range(_BYTES)]
