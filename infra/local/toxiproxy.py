"""Toxiproxy without containers: a way to a server that can be made slow, narrow or broken."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from infra.local import daemons, go
from infra.local.daemons import Program
from infra.local.minio import answers
from infra.local.server import Running

VERSION: Final = "v2.12.0"
PACKAGE: Final = "github.com/Shopify/toxiproxy/v2/cmd/server"
URL: Final = "TOXIPROXY_URL"
_PATIENCE_S: Final = 10.0


class ToxiproxyServer:
    """One process for any number of ways; services are told of each as if it were the server."""

    name = "toxiproxy"

    def install(self, cache: Path) -> None:
        """Build it."""
        go.build(PACKAGE, VERSION, _binary(cache))

    def start(self, cache: Path, folder: Path) -> Running:
        """Start it without any way yet."""
        (port,) = daemons.free_ports(1)
        command = [str(_binary(cache)), "-host", "127.0.0.1", "-port", str(port)]
        daemon = daemons.start(Program("toxiproxy", command, folder.absolute()))
        url = f"http://127.0.0.1:{port}"
        running = Running([daemon], {URL: url})
        try:
            daemons.wait_ready(daemon, lambda: answers(f"{url}/version"))
        except BaseException:
            running.stop()
            raise
        return running


class Way:
    """A port that leads to a server.

    Args:
        proxy: A Toxiproxy that runs.
        name: Of the way.
        server: Host and port of where it leads.
    """

    def __init__(self, proxy: Running, name: str, server: str) -> None:
        self._api = proxy.settings[URL]
        self._path = f"/proxies/{name}"
        made = self._ask("POST", "/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": server})
        self.address: str = made["listen"]

    @contextmanager
    def spoilt(self, kind: str, **attributes: int) -> Iterator[None]:
        """Spoil all answers, also over connections that are open, until the end of the block.

        Args:
            kind: A toxic: `latency` (latency, jitter: ms), `timeout` (timeout: ms until the connection is
                closed, 0 for never; nothing passes), `reset_peer` (timeout), `limit_data` (bytes),
                `bandwidth` (rate: KB/s), `slow_close` (delay).
            **attributes: Its numbers.
        """
        toxic = {"name": kind, "type": kind, "stream": "downstream", "attributes": attributes}
        self._ask("POST", f"{self._path}/toxics", toxic)
        try:
            yield
        finally:
            self._ask("DELETE", f"{self._path}/toxics/{kind}", None)

    def _ask(self, method: str, path: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(  # noqa: S310  (http of this machine)
            self._api + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=_PATIENCE_S) as reply:  # noqa: S310  (as above)
            said = reply.read()
        return json.loads(said) if said else None


def _binary(cache: Path) -> Path:
    return cache / f"toxiproxy-{VERSION}" / "toxiproxy"
