"""The bank of negatives: what it holds, in which order, and when it is empty."""

import torch
from torch import Tensor, nn

from models.segmentation.bank.network import Bank

SETS = ("scenes", "words")


def _vectors(*numbers: int) -> Tensor:
    """One axis for each number, so that no two are alike."""
    return torch.eye(16)[list(numbers)]


def _numbers(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def _bank(*numbers: int, capacity: int = 4) -> Bank:
    bank = Bank(SETS, capacity=capacity, texts=16)
    for number in numbers:
        bank.remember("scenes", _vectors(number), _numbers(number))
    return bank


def _held(bank: Bank, data_set: str = "scenes") -> list[int]:
    held = bank.negatives(data_set, _vectors(), _numbers())
    return [int(each) for each in held.argmax(1)]


def test_the_oldest_goes_first() -> None:
    assert _held(_bank(1, 2, 3)) == [1, 2, 3]
    assert _held(_bank(1, 2, 3, 4, 5, 6)) == [3, 4, 5, 6]


def test_of_more_than_it_can_hold_the_last_stay() -> None:
    bank = _bank()

    bank.remember("scenes", _vectors(1, 2, 3, 4, 5, 6), _numbers(1, 2, 3, 4, 5, 6))

    assert _held(bank) == [3, 4, 5, 6]


def test_each_data_set_has_a_bank_of_its_own() -> None:
    bank = _bank(1, 2)

    bank.remember("words", _vectors(3), _numbers(3))

    assert _held(bank) == [1, 2]
    assert _held(bank, "words") == [3]


def test_what_is_asked_for_now_is_no_negative() -> None:
    found = _bank(1, 2, 3).negatives("scenes", 5 * _vectors(2), _numbers())

    assert torch.equal(found, _vectors(1, 3))


def test_what_is_about_a_thing_that_is_there_is_no_negative() -> None:
    bank = _bank()
    bank.remember("scenes", _vectors(1, 2, 3), _numbers(7, 8, 7))

    assert torch.equal(bank.negatives("scenes", _vectors(4), _numbers(7)), _vectors(2))


def test_a_text_that_comes_again_is_held_once_and_is_the_newest() -> None:
    assert _held(_bank(1, 2, 3, 1, 4)) == [2, 3, 1, 4]


def test_at_inference_it_is_zero_and_stays_so() -> None:
    model = nn.ModuleDict({"bank": _bank(1, 2, 3)})

    model.eval()
    bank = model["bank"]
    assert isinstance(bank, Bank)
    bank.remember("scenes", _vectors(5), _numbers(5))

    assert _held(bank) == []
    assert not bank.vectors.any()


def test_the_weights_do_not_have_it() -> None:
    assert _bank(1, 2).state_dict() == {}


def test_a_run_that_goes_on_is_given_back_what_it_held() -> None:
    before, after = _bank(1, 2, 3, 4, 5), _bank()

    after.remember("scenes", *before.held("scenes"))

    assert _held(after) == [2, 3, 4, 5]
    assert torch.equal(after.held("scenes")[1], _numbers(2, 3, 4, 5))


def test_nothing_flows_back_into_a_text_of_an_earlier_picture() -> None:
    bank = _bank()
    vectors = _vectors(1).requires_grad_()

    bank.remember("scenes", vectors, _numbers(1))

    assert not bank.negatives("scenes", _vectors(), _numbers()).requires_grad
