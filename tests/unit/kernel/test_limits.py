import ast
import dataclasses
import itertools
import re
from pathlib import Path

from services.kernel import limits
from services.kernel.limits import LIMITS

PAGE = Path("docs/limits.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+) \|$", PAGE, flags=re.MULTILINE)


def _meanings() -> dict[str, str]:
    source = Path(limits.__file__).read_text(encoding="utf-8")
    body = next(node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return {
        field.target.id: text.value.value
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def test_the_page_shows_every_limit_with_its_value() -> None:
    assert {name: int(value) for name, value, _ in ROWS} == dataclasses.asdict(LIMITS)


def test_the_page_says_what_the_code_says() -> None:
    assert {name: meaning for name, _, meaning in ROWS} == _meanings()
