"""Speed and size as ratios against a bare loop, both sides in one run and in turn; nothing is asserted."""

import os

# As inside the services: numeric libraries get one thread each. Must stand before NumPy is imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
