"""`tandem export`: a published model as one file that runs without Tandem, without a server."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated, Any

import typer

from model.classifier import Classifier
from model.errors import BadCheckpointError
from model.export.agreement import TOLERANCE
from model.export.exported import Exported
from model.export.format import FormatName, format_named
from model.export.portable import PortableModel
from model.published import PublishedModel
from pipeline.errors import StoredFileDamagedError
from pipeline.storage.local_folder import LocalFolder
from service.cli.errors import BadArgumentsError
from service.cli.export_photos import COUNT, ExportPhotos, export_photos
from service.cli.output import print_json, results
from service.errors import FieldProblem, InvalidSpecError, NotFoundError
from service.settings import Settings
from service.store.models import ModelStore


def export_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's name, or the folder of one of its versions.")
    ],
    format: Annotated[  # noqa: A002
        FormatName, typer.Option(help="onnx runs on ONNX Runtime and others, torchscript on libtorch.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to; a file that is there is overwritten. By default MODEL-VERSION.onnx or .pt, here.",
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="A version's number or an alias; by default production, or else the newest."),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Photos to try the file on, where the model's dataset is not in TANDEM_HOME."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Write a model as one file that runs without Tandem.

    The file takes square RGB photos at the model's image size, uint8 [N, S, S, 3], and gives the
    probabilities of their centre views, float32 [N, K]. Before it takes its name it is run on 100 photos:
    validation photos of the dataset the model was trained on, or those of --photos, or synthetic ones. Its
    probabilities must be the model's to 1e-4, and the five likeliest classes the same.
    """
    form = format_named(format)
    settings = Settings()
    folder = _version_folder(model, version, ModelStore(settings.models), settings.models)
    original, portable = _load(folder)
    published = original.published
    out = out or Path(f"{published.name}-{published.version}{form.suffix}")
    _refuse_place(out, folder)
    tried = export_photos(published, settings.datasets, photos)
    exported = Exported.write(portable, original, form, out, tried.pixels)
    if as_json:
        print_json(_document(exported, format, published, tried))
    else:
        _print(exported, published, tried)


def _version_folder(model: str, version: str | None, store: ModelStore, root: Path) -> Path:
    """Raises InvalidSpecError for a model or version that is not there."""
    names = store.names()
    if model in names:
        try:
            return store.folder(model, store.resolve(model, version))
        except NotFoundError as error:
            raise InvalidSpecError([FieldProblem("--version", str(error))]) from error
    folder = Path(model)
    if not folder.is_dir():
        known = f"it holds {', '.join(names)}" if names else "it holds none"
        problem = f"no model {model!r} in {root}, and no such folder: {known}"
        raise InvalidSpecError([FieldProblem("MODEL", problem)])
    if version is not None:
        raise BadArgumentsError(f"--version goes with a model's name, and {model} is a folder: leave it out")
    return folder


def _load(folder: Path) -> tuple[Classifier, PortableModel]:
    try:
        with LocalFolder(folder) as model:
            return Classifier.load(model.path), PortableModel.load(model.path)
    except (BadCheckpointError, StoredFileDamagedError) as error:
        raise InvalidSpecError([FieldProblem("MODEL", str(error))]) from error


def _refuse_place(out: Path, folder: Path) -> None:
    """Raises BadArgumentsError where the file would be one of the model's own: versions never change.

    Raises FileNotFoundError where there is no such folder.
    """
    if out.is_dir():
        raise BadArgumentsError(f"--out {out} is a folder: name a file in it")
    if out.resolve().is_relative_to(folder.resolve()):
        raise BadArgumentsError(f"--out {out} belongs to the model: choose another place for the file")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the file cannot be written: no such folder", str(out))


def _document(
    exported: Exported, format_name: FormatName, published: PublishedModel, tried: ExportPhotos
) -> dict[str, Any]:
    agreement = exported.agreement
    return {
        "file": str(exported.path.absolute()),
        "format": format_name,
        "size_bytes": exported.size_bytes,
        "model": published.name,
        "version": published.version,
        "image_size": published.image_size,
        "check": {
            "photos": [{"count": count, "origin": origin} for count, origin in tried.origins],
            "greatest_difference": agreement.greatest_difference,
            "tolerance": TOLERANCE,
            "same_top5": agreement.same_top5,
        },
    }


def _print(exported: Exported, published: PublishedModel, tried: ExportPhotos) -> None:
    size = f"{exported.size_bytes / 2**20:.1f} MiB"
    results.print(f"{published.name} version {published.version}: {exported.path} ({size})")
    origins = ", ".join(f"{count} {origin}" for count, origin in tried.origins)
    results.print(f"tried on {COUNT} photos: {origins}")
    results.print(
        f"greatest difference of a probability {exported.agreement.greatest_difference:.1e}, "
        "the five likeliest classes the same"
    )
