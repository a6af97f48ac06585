"""A gateway over fakes."""

from __future__ import annotations

import pytest

from tests.fakes.gateway_case import GatewayCase


@pytest.fixture
def case() -> GatewayCase:
    return GatewayCase()
