#!/usr/bin/env bash
# Locks every dependency by hash. A lock names no registry: whoever installs brings their own.
set -euo pipefail
uv=$1
compile() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' "$@"; }
compile requirements/bootstrap.in -o requirements/bootstrap.txt
compile pyproject.toml --extra dev -o requirements/dev.txt
compile pyproject.toml --extra platform -o requirements/platform.txt
compile -c requirements/dev.txt pyproject.toml --extra platform --extra milvus -o requirements/milvus.txt
compile -c requirements/dev.txt requirements/build.in -o requirements/build.txt
compile --no-deps requirements/models.in -o requirements/models.txt
compile -c requirements/dev.txt pyproject.toml --extra dev --extra training -o requirements/training.txt
compile --no-deps requirements/training-models.in -o requirements/training-models.txt
compile --no-deps requirements/triton.in -o requirements/triton.txt
compile --constraint requirements/dev.txt requirements/peers.in -o requirements/peers.txt
