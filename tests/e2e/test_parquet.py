"""A memory carried from one tenant to another in a file, by the command line, as a curator does it."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fovea.cli.exits import ExitCode
from fovea.gateway.v1 import memory_pb2
from fovea.kernel.v1.envelope_pb2 import CollectionKey
from fovea.kernel.v1.exemplar_pb2 import AttributeValue, EncodedExemplar
from fovea.kernel.v1.region_pb2 import Box, Shape
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program

Memory = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def memory(allinone: Program) -> Memory:
    """Run `fovea memory ...` on a collection."""
    return partial(_memory, allinone.target)


def _memory(target: str, key: CollectionKey, *arguments: object) -> subprocess.CompletedProcess[str]:
    where = {"FOVEA_TARGET": target, "FOVEA_TENANT": key.tenant, "FOVEA_COLLECTION": key.collection}
    return subprocess.run(
        [sys.executable, "-m", "fovea", "memory", *map(str, arguments)],
        env=os.environ | where | {"NO_COLOR": "1", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _teach(calls: Calls) -> None:
    """Teach exemplars of every sort."""
    requests = [
        memory_pb2.RememberRequest(
            collection=calls.key,
            label=label,
            image=png(label),
            shape=Shape(box=Box(left=1, top=1, right=20, bottom=20)) if label == "fern" else None,
            attributes={"year": AttributeValue(number=2001), "wild": AttributeValue(flag=True)},
        )
        for label in COLOURS
    ]
    requests += [
        memory_pb2.RememberRequest(collection=calls.key, label="violin", name="violin"),
        memory_pb2.RememberRequest(collection=calls.key, label="violin", attribute="four strings"),
    ]
    assert all(each.memory_version for each in calls.memory.Remember(iter(requests), timeout=TIMEOUT_S))


def _kept(calls: Calls) -> dict[str, EncodedExemplar]:
    """Return the memory, without where its pictures lie."""
    request = memory_pb2.ExportExemplarsRequest(collection=calls.key)
    kept = {}
    for answer in calls.memory.ExportExemplars(request, timeout=TIMEOUT_S):
        if answer.exemplar.exemplar.HasField("image"):
            answer.exemplar.exemplar.image.key = ""
        kept[answer.exemplar.exemplar.exemplar_id] = answer.exemplar
    return kept


@pytest.fixture
def other(allinone: Program) -> Iterator[Calls]:
    with Calls(allinone.target, tenant="acme", collection="from-a-file") as opened:
        opened.create_collection()
        yield opened


def test_a_memory_travels_whole_and_is_recognised_with(
    memory: Memory, calls: Calls, other: Calls, tmp_path: Path
) -> None:
    _teach(calls)

    exported = memory(calls.key, "export", tmp_path / "a.parquet")
    imported = memory(other.key, "import", tmp_path / "a.parquet")
    again = memory(other.key, "import", tmp_path / "a.parquet")
    back = memory(other.key, "export", tmp_path / "b.parquet")

    assert [each.returncode for each in (exported, imported, again, back)] == [0, 0, 0, 0], imported.stderr
    assert f"imported {len(COLOURS) + 2} from" in imported.stderr
    assert _kept(other) == _kept(calls)
    assert pq.read_table(tmp_path / "b.parquet").equals(pq.read_table(tmp_path / "a.parquet"))
    assert other.recognize(png("poppy", seed=5)).regions[0].ranking.labels[0].label == "poppy"


def test_vectors_of_another_tool_are_taken_if_their_encoder_runs(
    memory: Memory, calls: Calls, tmp_path: Path
) -> None:
    _teach(calls)
    ours = [each for each in _kept(calls).values() if each.embeddings[0].space == "visual"]
    vectors = [list(array("f", each.embeddings[0].vector)) for each in ours]
    doubled = [[2 * number for number in vector] for vector in vectors]
    pq.write_table(
        pa.table({"label": [each.exemplar.label for each in ours], "vector": doubled}), tmp_path / "b.parquet"
    )
    encoder = ours[0].embeddings[0].encoder

    refused = memory(calls.key, "import", tmp_path / "b.parquet", "--space", "visual", "--encoder", "mine@1")
    taken = memory(calls.key, "import", tmp_path / "b.parquet", "--space", "visual", "--encoder", encoder)

    assert refused.stderr.count("mine@1 of space visual does not run here") == 1
    assert f"those that do: {encoder} of space visual" in refused.stderr
    assert refused.returncode == ExitCode.USAGE
    assert f"imported {len(COLOURS)} from" in taken.stderr
    assert len(_kept(calls)) == 2 * len(COLOURS) + 2
