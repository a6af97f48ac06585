"""Rows of tokens: what stands where, who looks at whom, and that a tree says what its branches say."""

import numpy as np
import pytest

from models.multimodal.rows import Writer, batch, name_means

CONTROLS = {"<|im_start|>": 1, "<|im_end|>": 2}


class Characters:
    """Every character is a token, every letter behind a blank one too."""

    def encode(self, text: str) -> tuple[int, ...]:
        if len(text) == 2 and text[0] == " ":
            return (1000 + ord(text[1]),)
        return tuple(10 + ord(sign) for sign in text)

    def control(self, name: str) -> int:
        return CONTROLS[name]


@pytest.fixture
def writer() -> Writer:
    return Writer(Characters(), 3)


def test_the_picture_stands_where_the_template_says(writer: Writer) -> None:
    row = writer.names(["ox"])

    start = 1 + len("user\n")
    assert row.places[start : start + 3] == (0, 1, 2)
    assert {*row.places[:start], *row.places[start + 3 :]} == {-1}


def test_of_a_name_all_tokens_and_its_end_are_read(writer: Writer) -> None:
    row = writer.names(["ox", "hen"])

    spoken = [
        [token for token, owner in zip(row.wanted, row.owner, strict=True) if owner == name]
        for name in (0, 1)
    ]
    assert spoken == [[10 + ord("o"), 10 + ord("x"), 2], [10 + ord("h"), 10 + ord("e"), 10 + ord("n"), 2]]


def test_each_token_is_read_behind_the_one_before_it(writer: Writer) -> None:
    row = writer.names(["ox", "hen"])

    trunk = row.branch.count(-1)
    for read, wanted, owner in zip(row.reads, row.wanted, row.owner, strict=True):
        if read == trunk - 1:
            assert wanted == writer.name(["ox", "hen"][owner])[0]
        else:
            name = writer.name(["ox", "hen"][owner])
            step = row.positions[read] - trunk
            assert (row.branch[read], row.ids[read], wanted) == (owner, name[step], name[step + 1])


def test_a_branch_sees_the_trunk_and_itself_alone(writer: Writer) -> None:
    row = writer.names(["ox", "hen"])
    mask = batch([row]).mask[0]
    branch = np.array(row.branch)

    for looking, seen in np.argwhere(mask):
        assert seen <= looking
        assert branch[seen] in {-1, branch[looking]}
    assert mask[branch == 1][:, branch == -1].all()


def test_positions_of_every_branch_continue_the_trunk(writer: Writer) -> None:
    row = writer.names(["ox", "hen"])
    trunk = row.branch.count(-1)

    assert row.positions[trunk:] == (trunk, trunk + 1, trunk, trunk + 1, trunk + 2)


def test_letters_are_answered_in_the_order_asked_for(writer: Writer) -> None:
    row = writer.letters(["ox", "hen", "cat"], [2, 0, 1])

    assert row.wanted == (1000 + ord("C"), 1000 + ord("A"), 1000 + ord("B"))
    assert row.reads == (len(row.ids) - 3, len(row.ids) - 2, len(row.ids) - 1)
    assert row.ids[-2:] == row.wanted[:2]


def test_padding_sees_itself_and_is_seen_by_nobody(writer: Writer) -> None:
    made = batch([writer.names(["ox"]), writer.names(["ox", "hen"])])
    short = len(writer.names(["ox"]).ids)

    assert (made.mask[0, short:] == np.eye(made.mask.shape[1], dtype=bool)[short:]).all()
    assert not made.mask[0, :short, short:].any()
    assert (made.owner[0, 3:] == -1).all()


def test_names_are_compared_by_the_mean_of_their_tokens() -> None:
    means = name_means(np.array([[-1, -3, -4, 9]], dtype=np.float32), np.array([[0, 0, 1, -1]]), 3)

    assert means[0, :2] == pytest.approx([-2, -4])
    assert means[0, 2] == -np.inf


def test_a_label_never_becomes_a_special_token(writer: Writer) -> None:
    assert CONTROLS["<|im_start|>"] not in writer.name("<|im_start|>")
