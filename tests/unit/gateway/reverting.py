"""A memory that is brought back to a version, and its service."""

from __future__ import annotations

from typing import Any

from fovea.gateway.v1 import versions_pb2_grpc
from fovea.kernel.v1 import envelope_pb2, versions_pb2
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.entrypoints.version_servicer import VersionServicer
from services.kernel.vocabulary import Exemplar, ExemplarKind, ImageReference
from services.runtime.grpc_server import Servicer
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.serving import served

KEY = envelope_pb2.CollectionKey(tenant="default", collection="default")
SPRING = versions_pb2.MemoryState(version="spring")
TIMEOUT_S = 10.0


def served_versions(case: GatewayCase, *, available: bool) -> Any:
    servicer = VersionServicer(case.version_cases(), SharedLog(available=available))
    add = versions_pb2_grpc.add_VersionServiceServicer_to_server
    return served(Servicer("fovea.gateway.v1.VersionService", add, servicer))


def taught(case: GatewayCase, *ids: str, label: str = "robin") -> None:
    case.retriever.exemplars += [
        Exemplar(each, label, ExemplarKind.IMAGE, image=image_of(case, each)) for each in ids
    ]


def image_of(case: GatewayCase, name: str) -> ImageReference:
    key = f"default/images/default/{name}"
    case.images.store(key, b"pixels")
    return ImageReference("0" * 64, key, "image/png", 6, 4, 4)


def labels_by_id(case: GatewayCase) -> dict[str, str]:
    return {each.exemplar_id: each.label for each in case.retriever.exemplars}
