import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidInput
from services.runtime import memory_version

OFFSETS = st.dictionaries(st.integers(0, 999_999), st.integers(1, 2**59), max_size=20)


@given(OFFSETS)
def test_a_version_survives_the_round_trip(offsets: dict[int, int]) -> None:
    assert memory_version.decode(memory_version.encode(offsets)) == offsets


def test_equal_memories_have_equal_versions_whatever_the_order() -> None:
    assert memory_version.encode({1: 2, 0: 7, 2: 0}) == memory_version.encode({0: 7, 1: 2})


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "v2",
        "v1.",
        "v1.0",
        "v1.0-1-2",
        "v1.a-1",
        "v1.0--1",
        "v1.0-1\n",
        "v1.0-1.0-2",
        "v1.٣-1",
        "v1" + ".1-1" * 2000,
    ],
)
def test_garbage_is_refused_and_the_field_named(garbage: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        memory_version.decode(garbage, field="options.min_memory_version")

    assert refused.value.field == "options.min_memory_version"
    assert refused.value.reason == "MEMORY_VERSION_INVALID"


def test_a_version_is_reached_when_every_partition_is() -> None:
    assert memory_version.reached({0: 5, 1: 2}, {0: 5})
    assert memory_version.reached({}, {})
    assert not memory_version.reached({0: 5, 1: 2}, {0: 5, 1: 3})
    assert not memory_version.reached({0: 5}, {7: 1})
