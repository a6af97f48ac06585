"""What is asked of the memory of three birds."""

from __future__ import annotations

from fovea.kernel.v1 import (
    candidates_pb2,
    envelope_pb2,
    exemplar_pb2,
)
from services.kernel.vocabulary import RegionEmbeddings
from tests.fakes.exemplars import embedding

KEY = envelope_pb2.CollectionKey(tenant="acme", collection="birds")
REGIONS = (
    RegionEmbeddings("0", (embedding(0, 1), embedding(1, 0, 0, space="name"))),
    RegionEmbeddings("1", (embedding(1, 0),)),
    RegionEmbeddings("2", ()),
)
WOOD = candidates_pb2.Condition(attribute="place", equals=exemplar_pb2.AttributeValue(text="wood"))
OPTIONS = envelope_pb2.RecognitionOptions(size=2, filter=[WOOD], exclude_exemplar_ids=["r2"])
