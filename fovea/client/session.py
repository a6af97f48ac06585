"""What all groups of calls share: whom they speak for, and over which connection."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fovea.client.connection import Connection
from fovea.client.options import Options
from fovea.kernel.v1 import envelope_pb2


@dataclass(frozen=True)
class Session:
    """One client's view of a connection."""

    connection: Connection
    tenant: str
    collection: str
    timeout_s: float
    window: int

    @property
    def scope(self) -> tuple[str, str]:
        """Whose memory is meant."""
        return self.tenant, self.collection

    @property
    def key(self) -> envelope_pb2.CollectionKey:
        """The same, as a message."""
        return envelope_pb2.CollectionKey(tenant=self.tenant, collection=self.collection)

    @property
    def memory_version(self) -> str:
        """What this client's reads must hold: what it wrote itself."""
        return self.connection.written(self.scope)

    def wrote(self, memory_version: str) -> None:
        """Keep the version that a write of this client got."""
        self.connection.wrote(self.scope, memory_version)

    def effective(self, options: Options | None, *, size: int | None = None) -> Options:
        """Return the options with the given size, and a memory that holds what this client taught."""
        options = options or Options()
        return replace(
            options,
            size=options.size if size is None else size,
            min_memory_version=options.min_memory_version or self.memory_version,
        )
