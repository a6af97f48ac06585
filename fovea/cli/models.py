"""`fovea models`: public checkpoints into the model store, and models of the store made smaller.

The work needs torch, which neither the client nor the server has; it is done by a process of its own.
"""

from __future__ import annotations

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from fovea.cli import workers
from fovea.cli.access import examples
from fovea.cli.exits import ExitCode
from fovea.cli.terminal import err, plain, say

WORKER: Final = "models.importer"
RENDERER: Final = "infra.triton"
_NEEDED: Final = ("torch", "onnx", "onnxscript", "transformers", WORKER.partition(".")[0])


class Variant(StrEnum):
    """What a model can be made into."""

    FP16 = "fp16"
    INT8 = "int8"


Store = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        envvar="FOVEA_MODEL_FOLDER",
        help="The model store; else the one that ships.",
    ),
]
Variants = Annotated[
    list[Variant] | None, typer.Option("--variant", help="Make this of it, too; may be repeated.")
]
Pictures = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Real pictures to check and measure with; else the demo's."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Bring public encoders and detectors into the model store."
    )
    app.add_typer(group, name="models", rich_help_panel="Server")
    group.command(
        "import",
        epilog=examples(
            "fovea models import clip-vit-base-patch32/",
            "fovea models import dinov2-base/ --name dino --variant int8",
            "fovea models import siglip/ --out store --triton repository",
            "fovea models import grounding-dino-tiny/ --name gd",
        ),
    )(import_checkpoint)
    group.command(
        "shrink",
        epilog=examples("fovea models shrink store/clip-vision/1 --variant int8 --pictures birds/"),
    )(shrink)


def import_checkpoint(
    path: Annotated[Path, typer.Argument(help="A folder as Hugging Face's libraries write it.")],
    *,
    name: Annotated[str, typer.Option(help="What the models' names and spaces begin with.")] = "",
    out: Store = None,
    variant: Variants = None,
    pictures: Pictures = None,
    triton: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Render Triton's model repository here, too.")
    ] = None,
) -> None:
    """Import a checkpoint from a local folder of safetensors: of an encoder, a detector, or a maker of masks.

    Encoders are CLIP, OpenCLIP, SigLIP and DINOv2; detectors GroundingDINO and OWLv2; masks are made by SAM
    and SAM 2. Each part becomes a model that is compared with transformers before it counts. Nothing in the
    folder is run, and nothing outside it is read.
    """
    if triton is not None and importlib.util.find_spec(RENDERER.partition(".")[0]) is None:
        raise typer.BadParameter("rendering for Triton needs a checkout of Fovea", param_hint="--triton")
    told = ["--name", name] if name else []
    _work("import", path, [*told, *_options(out, variant, pictures)])
    if triton is not None:
        store = ["--store", str(out)] if out else []
        workers.run(RENDERER, str(triton), *store)
        say(f"{triton} has what Triton needs")


def shrink(
    path: Annotated[Path, typer.Argument(help="The folder of a model's version: store/NAME/1.")],
    *,
    out: Store = None,
    variant: Variants = None,
    pictures: Pictures = None,
) -> None:
    """Make a model of the store smaller or faster, and measure what that costs. It stays as it is."""
    _work("shrink", path, _options(out, variant, pictures))


def _options(out: Path | None, variants: list[Variant] | None, pictures: Path | None) -> list[str]:
    told = [("--out", out), ("--pictures", pictures), *(("--variant", each.value) for each in variants or ())]
    return [word for option, value in told if value is not None for word in (option, str(value))]


def _work(command: str, path: Path, options: list[str]) -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        err().print(plain(f"This installation cannot make models: {', '.join(missing)} are missing.", "red"))
        err().print(
            plain('Install them: pip install "fovea[training]". A checkout has build/training/bin/fovea,')
        )
        err().print(plain("which `make test-models` makes."))
        raise typer.Exit(ExitCode.UNSUPPORTED)
    workers.run(WORKER, command, *options, "--", str(path))
