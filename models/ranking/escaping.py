r"""Names of anyone's choosing inside a prompt: one line each, nothing hidden, nothing that steers a chat.

What is written can be read back exactly (`unescape(escape(x)) == x`). A backslash begins what stands for
something else: `\\`, `\n`, `\t`, `\r`, `\:`, `\"`, and `\u{200b}` for any other character by its number.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

LABEL_LENGTH: Final = 160
"""Characters of a label that a model gets to see."""
DESCRIPTION_LENGTH: Final = 480
"""Characters of a description that a model gets to see."""
_SHORT: Final = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_LONG: Final = {"n": "\n", "t": "\t", "r": "\r"}
_CUT: Final = "\\…"
"""What no label can contain, for its own backslashes are doubled."""
_SUSPECT: Final = re.compile(r"[^ -~]|[\\<\[:]")
_TAG: Final = re.compile(r"\[(?=/?[A-Z_]{2,}\])")
"""Such as `[INST]`, which some chat templates turn into a token."""
_ROLE: Final = re.compile(r"(?i)\b(?:user|human|assistant|system|gpt|model|bot) *(:)")
_ESCAPED: Final = re.compile(r"\\(?:u\{([0-9a-f]{1,6})\}|(.?))", re.DOTALL)
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
_HIDDEN: Final = frozenset(map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)))
_SMUGGLERS: Final = range(0xE0100, 0xE01F0)
"""Variation selectors that no font shows and that spell out whole messages."""
_JOINERS: Final = frozenset("\u200c\u200d")
_VARIANTS: Final = frozenset(map(chr, range(0xFE00, 0xFE10)))


def escape(text: str, *, also: str = "") -> str:
    r"""Return the text on one line, with nothing in it that cannot be seen or that begins a special token.

    Joiners and variation selectors stay where scripts and emoji need them: among characters beyond ASCII.

    Args:
        text: Anything, lone surrogates included.
        also: Further characters to put a backslash before: of `:` and `"`.
    """
    if text.isascii() and not _SUSPECT.search(text) and not any(mark in text for mark in also):
        return text
    roles = {match.start(1) for match in _ROLE.finditer(text)}
    tags = {match.start() for match in _TAG.finditer(text)}
    written = []
    for i, mark in enumerate(text):
        if mark in _SHORT:
            written.append(_SHORT[mark])
        elif mark in also or i in roles:
            written.append(f"\\{mark}")
        elif mark == "<" or i in tags or _is_hidden(text, i):
            written.append(f"\\u{{{ord(mark):x}}}")
        else:
            written.append(mark)
    return "".join(written)


def bounded(text: str, length: int, *, also: str = "") -> str:
    r"""Return the escaped text; of a longer one the beginning, `\…` and a digest: no two look alike."""
    if len(text) <= length:
        return escape(text, also=also)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{escape(text[:length], also=also)}{_CUT}{digest}"


def shortened(text: str, length: int) -> str:
    r"""Return the escaped text; of a longer one the beginning and `\…`."""
    return escape(text) if len(text) <= length else f"{escape(text[:length].rstrip())}{_CUT}"


def unescape(text: str) -> str:
    """Return what was escaped. Raises ValueError if a part was cut off or a backslash stands alone."""
    return _ESCAPED.sub(_meant, text)


def _meant(match: re.Match[str]) -> str:
    number, mark = match.groups()
    if number is not None:
        try:
            return chr(int(number, 16))
        except (ValueError, OverflowError):
            raise ValueError(f"{match[0]} is no character") from None
    if mark in _LONG:
        return _LONG[mark]
    if mark and mark in '\\:"':
        return mark
    what = "the rest was cut off" if mark == "…" else f"{match[0]} stands for nothing"
    raise ValueError(f"cannot read back {match.string[:40]!r}: {what}")


def _is_hidden(text: str, i: int) -> bool:
    mark = text[i]
    if mark == " " or "!" <= mark <= "~":
        return False
    if mark in _JOINERS:
        return not (_is_foreign(text, i - 1) and _is_foreign(text, i + 1))
    if mark in _VARIANTS:
        return not _is_foreign(text, i - 1)
    return mark in _HIDDEN or ord(mark) in _SMUGGLERS or unicodedata.category(mark) in _HIDDEN_CATEGORIES


def _is_foreign(text: str, i: int) -> bool:
    """Whether a character beyond ASCII stands there that something can be joined to."""
    if not 0 <= i < len(text) or text[i].isascii():
        return False
    if text[i] in _VARIANTS:
        return True
    return text[i] not in _JOINERS | _HIDDEN and unicodedata.category(text[i]) not in _HIDDEN_CATEGORIES
