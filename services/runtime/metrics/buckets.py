"""Where the buckets of histograms lie: one list for each kind of quantity."""

from __future__ import annotations

from typing import Final

RPC_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WORK_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
AGE_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
VISIBLE_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300)
BYTES: Final = tuple(4**power for power in range(4, 14))
BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RECALL: Final = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
SHARE: Final = tuple(step / 10 for step in range(1, 11))
