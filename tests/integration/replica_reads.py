"""A writer of the memory's topic over a real Kafka, and what replicas know of what it wrote."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import grpc

from benchmarks.visibility import Writer
from fovea.retrieval.v1 import retrieval_pb2 as pb
from fovea.retrieval.v1.retrieval_pb2_grpc import RetrievalServiceStub
from infra.local.server import Running
from services.runtime.codec.recognition import write_collection
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.topics import TOPICS
from tests.e2e.processes import Program
from tests.integration.kafka.logs import servers

PATIENCE_S: Final = 60.0


@contextmanager
def writing(kafka_server: Running) -> Iterator[Writer]:
    """Give a writer of a collection of its own."""
    with closing(KafkaLog(servers(kafka_server), TOPICS.settings())) as log:
        yield Writer(log, f"collection-{uuid.uuid4()}")


def exemplars(replica: Program, writer: Writer, version: str) -> int:
    """Return how many a replica knows that has read up to a version."""
    with grpc.insecure_channel(replica.target) as channel:
        request = pb.ListLabelsRequest(
            collection=write_collection(writer.collection), min_memory_version=version
        )
        labels = RetrievalServiceStub(channel).ListLabels(request, timeout=PATIENCE_S).labels
    return sum(label.exemplars for label in labels)
