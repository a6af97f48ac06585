"""What `/metrics` of a process says."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.processes import Program


class Scrape:
    """The samples of one moment."""

    def __init__(self, program: Program) -> None:
        with closing(HTTPConnection(urlsplit(program.admin).netloc, timeout=30)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        self.samples = [sample for found in text_string_to_metric_families(text) for sample in found.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum over all samples of that name with these labels, or None if there is none."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None
