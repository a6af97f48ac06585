import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.kernel.errors import DeadlineExceeded, Unavailable
from services.kernel.sharing import Lazy, Once, Turns
from tests.fakes.encoding import Counted, GivenTime

Compute = Callable[[Sequence[str]], Sequence[str]]


class Upper:
    """Computes upper case; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []

    def __call__(self, keys: Sequence[str]) -> Sequence[str]:
        self.asked.append(tuple(keys))
        return [key.upper() for key in keys]


class Held(Upper):
    """Waits in the middle until it is let go, then fails if it was told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.go = threading.Event()
        self._error = error

    def __call__(self, keys: Sequence[str]) -> Sequence[str]:
        self.begun.set()
        assert self.go.wait(10)
        if self._error is not None:
            raise self._error
        return super().__call__(keys)


def once(*, entries: int = 8, left_s: float | None = None) -> Once[str, str]:
    return Once(GivenTime(left_s), most=entries)


def unused(keys: Sequence[str]) -> Sequence[str]:
    raise AssertionError(f"{keys} should not be computed again")


def test_a_value_is_computed_once_and_kept() -> None:
    share = once()
    share(["a"], Upper())

    assert share(["a"], unused) == ["A"]


def test_only_what_is_missing_is_computed_and_the_order_is_kept() -> None:
    share, upper = once(), Upper()
    share(["b"], Upper())

    assert share(["a", "b", "c"], upper) == ["A", "B", "C"]
    assert upper.asked == [("a", "c")]


@pytest.mark.parametrize("entries", [0, 8])
def test_a_key_that_stands_there_twice_is_computed_once(entries: int) -> None:
    upper = Upper()

    assert once(entries=entries)(["a", "b", "a"], upper) == ["A", "B", "A"]
    assert upper.asked == [("a", "b")]


def test_the_value_used_longest_ago_makes_room() -> None:
    share, upper = once(entries=2), Upper()
    share(["a", "b"], Upper())
    share(["a"], unused)
    share(["c"], Upper())

    share(["a"], unused)
    share(["b"], upper)

    assert upper.asked == [("b",)]


def test_more_keys_than_entries_still_get_their_values() -> None:
    assert once(entries=1)(["a", "b", "c", "a"], Upper()) == ["A", "B", "C", "A"]


def test_without_entries_nothing_is_kept() -> None:
    share, upper = once(entries=0), Upper()
    share(["a"], upper)
    share(["a"], upper)

    assert upper.asked == [("a",), ("a",)]


def test_what_weighs_too_much_makes_the_oldest_go_and_what_never_fits_is_not_kept() -> None:
    share: Once[str, str] = Once(GivenTime(), most=5, weigh=len)
    share(["aa", "bb"], Upper())
    share(["much too long"], Upper())
    share(["aa", "bb"], unused)
    share(["cc"], Upper())

    upper = Upper()
    share(["aa", "bb", "cc", "much too long"], upper)

    assert upper.asked == [("aa", "much too long")]


def test_it_tells_how_each_key_was_answered() -> None:
    counts, held = Counted(), Held()
    share: Once[str, str] = Once(GivenTime(), most=8, counts=counts)
    share(["a", "b", "a"], Upper())
    share(["a"], unused)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(share, ["c"], held)
        assert held.begun.wait(10)
        second = pool.submit(share, ["c", "d"], Upper())
        while counts.outcomes["shared"] < 1:
            pass
        held.go.set()
        assert (first.result(10), second.result(10)) == (["C"], ["C", "D"])

    assert counts.outcomes == {"miss": 4, "hit": 1, "shared": 1}


def test_many_threads_that_ask_at_once_share_one_computation() -> None:
    share, held = once(), Held()
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(share, ["a"], held)
        assert held.begun.wait(10)
        others = [pool.submit(share, ["a"], unused) for _ in range(15)]
        held.go.set()

        assert [call.result(10) for call in (first, *others)] == [["A"]] * 16


def test_an_error_goes_to_whoever_computed_and_is_not_kept() -> None:
    share = once()

    def broken(_: Sequence[str]) -> Sequence[str]:
        raise Unavailable("the model is down")

    with pytest.raises(Unavailable):
        share(["a"], broken)

    assert share(["a"], Upper()) == ["A"]


def test_those_who_waited_for_a_failure_try_themselves() -> None:
    share, failing, upper = once(), Held(DeadlineExceeded("was in a hurry")), Upper()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(share, ["a"], failing)
        assert failing.begun.wait(10)
        second = pool.submit(share, ["a", "b"], upper)
        while not upper.asked:  # the second has done its own part, and waits for the first
            pass
        failing.go.set()

        with pytest.raises(DeadlineExceeded):
            first.result(10)
        assert second.result(10) == ["A", "B"]
    assert upper.asked == [("b",), ("a",)]


def test_two_that_need_each_others_part_do_not_wait_for_ever() -> None:
    share, left, right = once(), Held(), Held()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(share, ["a"], left)
        assert left.begun.wait(10)
        two = pool.submit(share, ["b", "a"], right)
        assert right.begun.wait(10)
        left.go.set()
        assert one.result(10) == ["A"]
        right.go.set()
        assert two.result(10) == ["B", "A"]


def test_nobody_waits_longer_than_its_own_time() -> None:
    share, held = once(left_s=0.01), Held()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(share, ["a"], held)
        assert held.begun.wait(10)

        with pytest.raises(DeadlineExceeded):
            share(["a"], unused)

        held.go.set()
        first.result(10)


def test_too_few_values_are_an_error_and_not_a_wrong_answer() -> None:
    share = once()

    with pytest.raises(ValueError, match="shorter"):
        share(["a", "b"], lambda _: ["A"])

    assert share(["a", "b"], Upper()) == ["A", "B"]


def test_no_more_than_so_many_work_at_once() -> None:
    turns = Turns(GivenTime(), at_once=2)
    counting = threading.Lock()
    inside: list[int] = [0]
    seen: list[int] = []

    def work(_: int) -> None:
        with turns.turn():
            with counting:
                inside[0] += 1
                seen.append(inside[0])
            with counting:
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))

    assert max(seen) <= 2


def test_a_turn_that_does_not_come_in_time_is_a_missed_deadline() -> None:
    turns = Turns(GivenTime(0.01), at_once=1)
    with turns.turn(), pytest.raises(DeadlineExceeded), turns.turn():
        pass


def test_a_turn_is_given_back_after_an_error() -> None:
    turns = Turns(GivenTime(0.01), at_once=1)
    with pytest.raises(Unavailable), turns.turn():
        raise Unavailable("down")

    with turns.turn():
        pass


class _Slow:
    def __init__(self, together: threading.Barrier) -> None:
        self.computed = 0
        self._together = together

    @Lazy
    def value(self) -> int:
        """What takes long."""
        self.computed += 1
        return self._together.wait(5.0)


def test_a_lazy_property_is_computed_once_and_no_object_waits_for_another() -> None:
    together = threading.Barrier(2)
    objects = [_Slow(together) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        values = list(pool.map(lambda each: each.value, objects))

    assert sorted(values) == [0, 1]
    assert [each.value for each in objects] == values
    assert [each.computed for each in objects] == [1, 1]
    assert _Slow.value.__doc__ == "What takes long."
