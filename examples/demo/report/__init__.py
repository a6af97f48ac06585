"""The report: one HTML file with everything inside, no script and nothing to fetch."""

from __future__ import annotations

from examples.demo.report.page import page

__all__ = ["page"]
