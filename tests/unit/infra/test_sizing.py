from __future__ import annotations

import pytest

from infra import sizing
from infra.milvus_plan import INDEXES, Assumptions, Exemplars, Plan, plans
from services.retrieval.adapters.milvus import schema


def test_the_page_shows_the_arithmetic_of_today() -> None:
    written = sizing.PAGE.read_text(encoding="utf-8")

    assert sizing.page(written) == written, "run python -m infra.sizing"


def test_a_hundred_million_with_a_bit_a_coordinate_by_hand() -> None:
    plan = plans(10**8)["IVF_RABITQ"]

    # index 64 + 8 + 512 + 8; key 70, owner 20, moments 16 and 16 of the vectors' rows; key 70 and 16
    assert plan.memory_gb == pytest.approx(0.1 * (592 + 122 + 86))
    # the vector 2,048; id 32 and attributes 80; the exemplar's row 582 but for its key
    assert plan.disk_gb == pytest.approx(0.1 * (2048 + 112 + 512))
    assert plan.query_nodes == 2  # 80 GB fit into 0.7 x 128
    assert plan.stored_gb == pytest.approx(2 * 0.1 * (2266 + 582))
    assert plan.nodes_month == pytest.approx((2 * 1.21 + 9 * 0.20) * 730)
    assert plan.import_h == pytest.approx(1e8 / 5000 / 3600)
    assert plan.filter_core_s == pytest.approx(0.3)


def test_a_node_on_disk_takes_whole_sectors() -> None:
    assert INDEXES["DISKANN"].disk(512) == 4096
    assert INDEXES["DISKANN"].disk(128) == 4096 / 5  # 740 bytes
    assert INDEXES["DISKANN"].disk(1280) == 2 * 4096


def test_ten_times_as_many_take_ten_times_as_much() -> None:
    for name, small in plans(10**8).items():
        large = plans(10**9)[name]
        assert large.memory_gb == pytest.approx(10 * small.memory_gb)
        assert large.disk_gb == pytest.approx(10 * small.disk_gb)
        assert 6 * small.query_nodes <= large.query_nodes <= 10 * small.query_nodes


def test_whatever_is_scarcer_decides_how_many_nodes_there_are() -> None:
    exemplars, index = Exemplars(10**8), INDEXES["DISKANN"]

    assert Plan(exemplars, index, Assumptions(node_disk_gb=100.0)).query_nodes == 2 * 7  # 472 GB / 70
    assert Plan(exemplars, index, Assumptions(node_memory_gb=10.0)).query_nodes == 2 * 10  # 67 GB / 7


def test_the_arithmetic_is_that_of_the_tables_there_are() -> None:
    kept = Exemplars(1)
    owner, exemplar_id = "o" * kept.owner, "i" * kept.exemplar_id

    assert len(schema.row_key(owner, exemplar_id, 10**12)) == kept.row_id
    assert schema.INDEXES["HNSW"].build["M"] == 16
    assert schema.INDEXES["IVF_RABITQ"].build["refine_type"] == "SQ8"
    assert INDEXES.keys() < schema.INDEXES.keys()
