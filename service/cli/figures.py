"""`tandem figures`: the paper's figures 3 and 4 from a model's files, without a server."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray

from model.classifier import Classifier
from model.errors import ModelError
from model.figures.answers import Answer, Bar, answers_figure
from model.figures.filters import filter_mosaic
from model.figures.kernels import first_kernels
from model.figures.nearest import NearestPhotos
from model.figures.neighbours import Query, neighbours_figure
from model.figures.sheet import pixels_of
from model.network.architecture import layers_of
from model.published import PublishedModel
from pipeline.batches.loader import Batch, ShardLoader
from pipeline.batches.whole_split import whole_train_split
from pipeline.errors import StoredFileDamagedError, UnusablePhotoError
from pipeline.photos.decode import square_photo
from pipeline.png import write_png
from pipeline.shards.manifest import Manifest
from pipeline.storage.local_folder import LocalFolder
from service.cli.errors import BadArgumentsError
from service.cli.output import print_json, results
from service.errors import FieldProblem, InvalidSpecError

app = typer.Typer(add_completion=False)

_BARS: Final = 5
_BATCH: Final = 128
_MOST_PHOTOS: Final = 64

ModelDir = Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="A published model's folder.")]
Out = Annotated[Path, typer.Option(metavar="PNG", help="Where to; a file that is there is overwritten.")]


@app.callback()
def figures() -> None:
    """Draw the paper's figures from a model.

    As PNG files, from the files of a published model: no server is asked.
    """


@app.command("filters")
def filters(
    model_dir: Annotated[
        Path, typer.Argument(metavar="MODEL_DIR", help="A published model's folder, or a run's checkpoint.")
    ],
    out: Out,
) -> None:
    """Draw what the first layer looks for (figure 3).

    Each tower's kernels by themselves. Grey is 0, on one scale for all kernels.
    """
    _refuse_place(out, [model_dir])
    with _refused("MODEL_DIR"), LocalFolder(model_dir) as model:
        config, weights = first_kernels(model.path)
    write_png(out, filter_mosaic(weights, config.towers))
    results.print(f"{len(weights)} kernels of {config.network}: {out}")


@app.command("answers")
def answers(
    model_dir: ModelDir,
    out: Out,
    images: Annotated[list[Path] | None, typer.Argument(metavar="IMAGE...", help="Image files.")] = None,
    dataset: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Or a dataset, whose first validation photos to take.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=_MOST_PHOTOS, help="How many, with --dataset.")] = 8,
) -> None:
    """Draw photos above their five most likely classes (figure 4, left).

    Of a dataset's photos the true class is known; its bar is of another colour.
    """
    if (dataset is None) == (not images):
        raise BadArgumentsError("name either IMAGE files or a --dataset")
    files = images or []
    if len(files) > _MOST_PHOTOS:
        raise BadArgumentsError(f"{len(files)} IMAGE files are more than the {_MOST_PHOTOS} of one figure")
    _refuse_place(out, [model_dir, *files, *([dataset] if dataset else [])])
    classifier = _classifier(model_dir)
    truths: Sequence[int | None]
    if dataset:
        _refuse_unfit(dataset, classifier.published)
        batch = _first(dataset, "val", count)
        photos, truths = batch.images.numpy(), batch.labels.tolist()
    else:
        photos = np.stack([_photo(path, classifier.published.image_size) for path in files])
        truths = [None] * len(photos)
    write_png(out, pixels_of(answers_figure(_answers(classifier, photos, truths))))
    results.print(f"{len(photos)} photos and what {classifier.published.name} says of them: {out}")


@app.command("neighbours")
def neighbours(
    model_dir: ModelDir,
    dataset: Annotated[
        Path, typer.Option(metavar="DIR", help="The dataset to search; it must have the model's classes.")
    ],
    out: Out,
    queries: Annotated[int, typer.Option(min=1, max=_MOST_PHOTOS, help="How many validation photos.")] = 5,
    count: Annotated[
        int, typer.Option("--neighbours", min=1, max=20, help="How many training photos for each.")
    ] = 6,
    as_json: Annotated[bool, typer.Option("--json", help="Print ids and distances as one object.")] = False,
) -> None:
    """Draw the training photos most like validation photos (figure 4, right).

    Alike are those whose activations in the last hidden layer, fc7, are near by L2 distance. All training
    photos are searched.
    """
    _refuse_place(out, [model_dir, dataset])
    classifier = _classifier(model_dir)
    _refuse_unfit(dataset, classifier.published)
    asked = _first(dataset, "val", queries)
    search = NearestPhotos(classifier.embeddings(asked.images.numpy()), count)
    for batch in whole_train_split(dataset, _BATCH):
        photos = batch.images.numpy()
        search.add(classifier.embeddings(photos), batch.sample_ids.numpy(), batch.labels.numpy(), photos)
    found = [
        Query(photo, label, near)
        for photo, label, near in zip(
            asked.images.numpy(), asked.labels.tolist(), search.neighbours, strict=True
        )
    ]
    layer = layers_of(classifier.published.architecture)[-2].name
    names = [label.name for label in classifier.published.labels]
    write_png(out, pixels_of(neighbours_figure(found, names, layer)))
    if as_json:
        print_json(_document(found, asked.sample_ids.tolist(), layer, out))
    else:
        results.print(f"{len(found)} photos and their neighbours by {layer}: {out}")


def _document(found: Sequence[Query], sample_ids: Sequence[int], layer: str, out: Path) -> dict[str, Any]:
    return {
        "figure": str(out.absolute()),
        "layer": layer,
        "queries": [
            {
                "sample_id": sample_id,
                "label": query.label,
                "neighbours": [
                    {"sample_id": near.sample_id, "label": near.label, "distance": near.distance}
                    for near in query.neighbours
                ],
            }
            for sample_id, query in zip(sample_ids, found, strict=True)
        ],
    }


def _answers(
    classifier: Classifier, photos_NSS3: NDArray[np.uint8], truths: Sequence[int | None]
) -> list[Answer]:
    labels = classifier.published.labels
    return [
        Answer(
            photo,
            [
                Bar(each.label, each.probability, each.index == truth)
                for each in classifier.most_likely(probabilities, _BARS)
            ],
            None if truth is None else labels[truth].name,
        )
        for photo, probabilities, truth in zip(
            photos_NSS3, classifier.probabilities(photos_NSS3), truths, strict=True
        )
    ]


def _classifier(folder: Path) -> Classifier:
    with _refused("MODEL_DIR"), LocalFolder(folder) as model:
        return Classifier.load(model.path)


def _photo(path: Path, image_size: int) -> NDArray[np.uint8]:
    with _refused(str(path)):
        return square_photo(path.read_bytes(), image_size)


def _first(dataset: Path, split: str, count: int) -> Batch:
    """The first photos of a split that is read in order; fewer where it has no more."""
    return next(iter(ShardLoader(dataset, split, batch_size=count)))


def _refuse_unfit(dataset: Path, published: PublishedModel) -> None:
    """Raises InvalidSpecError for a dataset of other photos or classes than the model's."""
    manifest = Manifest.load(dataset)
    if manifest.image_size != published.image_size:
        problem = f"its photos are stored at image_size={manifest.image_size}, and the model's at"
        raise InvalidSpecError([FieldProblem("--dataset", f"{problem} image_size={published.image_size}")])
    if [each.id for each in manifest.classes] != [label.id for label in published.labels]:
        problem = f"its {len(manifest.classes)} classes are not the model's {len(published.labels)}"
        raise InvalidSpecError([FieldProblem("--dataset", problem)])


def _refuse_place(out: Path, inputs: Sequence[Path]) -> None:
    """Raises BadArgumentsError where the picture would replace one of the files it is made from.

    Raises FileNotFoundError where there is no such folder: a search of hours should not end in that.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the picture cannot be written: no such folder", str(out))
    place = out.resolve()
    for each in inputs:
        if place.is_relative_to(each.resolve()):
            raise BadArgumentsError(f"--out {out} belongs to {each}: choose another place for the picture")


@contextmanager
def _refused(argument: str) -> Iterator[None]:
    """Names the argument that a model or a photo was read from, where it is no good."""
    try:
        yield
    except (ModelError, StoredFileDamagedError, UnusablePhotoError) as error:
        raise InvalidSpecError([FieldProblem(argument, str(error))]) from error
