"""Which photos train and which validate."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import xxhash

from pipeline.errors import BadSourceError
from pipeline.permutation import Purpose, permutation
from pipeline.photos.sources.base import Photo, Source


@dataclass(frozen=True)
class Split:
    """The photos of one split in listing order; a photo's place among them is its sample_id."""

    name: str
    source: Source
    photos: Sequence[Photo]


def choose_splits(
    source: Source, val: Source | None, val_fraction: float | None, *, seed: int
) -> tuple[Split, ...]:
    """The training split and, where there is one, the validation split.

    Validation photos come from the source's own `val/`, from the source `val`, or are set aside from every
    class. Where both sources number their classes, those of `val` are written as the training's are. Raises
    `BadSourceError` when more than one of these is given, or when a split has no photos.
    """
    listings = source.listings()
    own_val = listings.get("val")
    given = [
        *(["val/ inside the source"] if own_val is not None else []),
        *(["a source of its own"] if val is not None else []),
        *(["val_fraction"] if val_fraction is not None else []),
    ]
    if len(given) > 1:
        raise BadSourceError(f"photos to validate with come from one place, not from {' and '.join(given)}")
    photos = listings.get("train", listings.get("all"))
    if photos is None:
        raise BadSourceError(f"{source.location} holds photos to validate with and none to train with")
    if val_fraction is not None:
        kept, set_aside = _set_aside(photos, val_fraction, seed)
        return Split("train", source, kept), Split("val", source, set_aside)
    train = Split("train", source, photos)
    if val is not None:
        return train, Split("val", val, _numbered_as(photos, _validation_listing(val)))
    return (train,) if own_val is None else (train, Split("val", source, own_val))


def class_ids(splits: Iterable[Split]) -> list[str]:
    """The class ids in the order of their labels.

    Raises `BadSourceError` for a class that is not trained on, and for two whose ids differ only in case.
    """
    trained: set[str] = set()
    for split in splits:
        found = {photo.class_id for photo in split.photos}
        if split.name == "train":
            trained = found
        elif unknown := sorted(found - trained):
            raise BadSourceError(f"class {unknown[0]!r} is in {split.name} but not in train")
    by_letters: dict[str, str] = {}
    for class_id in sorted(trained):
        twin = by_letters.setdefault(class_id.casefold(), class_id)
        if twin != class_id:
            raise BadSourceError(
                f"classes {twin!r} and {class_id!r} differ only in case: rename one, or put them together"
            )
    return sorted(trained)


def fingerprints(splits: Iterable[Split]) -> dict[str, dict[str, dict[str, int | str]]]:
    """For every class of every split the number of its photos, and xxh3_128 of their paths and sizes."""
    found: dict[str, dict[str, dict[str, int | str]]] = {}
    for split in splits:
        classes = found.setdefault(split.name, {})
        # A split is in listing order, which keeps a class together.
        for class_id, photos in groupby(split.photos, key=attrgetter("class_id")):
            digest = xxhash.xxh3_128()
            count = 0
            for photo in photos:
                count += 1
                # File names are bytes to Linux, and some of them are not UTF-8.
                line = f"{photo.path}\0{photo.size_bytes}\n"
                digest.update(line.encode("utf-8", "surrogateescape"))
            classes[class_id] = {"count": count, "xxh3_128": digest.hexdigest()}
    return found


def fingerprint(splits: Iterable[Split]) -> str:
    """xxh3_128, in hex, over `fingerprints`: it changes when a photo comes, goes, grows or changes class."""
    document = json.dumps(fingerprints(splits), sort_keys=True)
    return xxhash.xxh3_128_hexdigest(document.encode())


def _validation_listing(val: Source) -> Sequence[Photo]:
    listings: Mapping[str, Sequence[Photo]] = val.listings()
    photos = listings.get("val", listings.get("all"))
    if photos is None:
        raise BadSourceError(
            f"{val.location} has a train/ but no val/: name the folder that holds the classes"
        )
    return photos


def _numbered_as(train: Sequence[Photo], val: Sequence[Photo]) -> Sequence[Photo]:
    """The validation photos, the numbers of their classes written with as many digits as the training's.

    A source that numbers its classes writes as many as its own highest number takes.
    """
    trained, found = ({photo.class_id for photo in photos} for photos in (train, val))
    width = _digits(trained)
    if width is None or _digits(found) in (None, width):
        return val
    written = {class_id: class_id.lstrip("0").zfill(width) for class_id in found}
    # A class that is not trained on stays as it is, to be refused by the name that people know.
    return [
        photo._replace(class_id=written[photo.class_id]) if written[photo.class_id] in trained else photo
        for photo in val
    ]


def _digits(class_ids: Iterable[str]) -> int | None:
    """How many digits each class id has; None unless all are numbers of as many."""
    widths = {len(id_) if id_.isascii() and id_.isdecimal() else None for id_ in class_ids}
    return widths.pop() if len(widths) == 1 else None


def _set_aside(photos: Sequence[Photo], fraction: float, seed: int) -> tuple[list[Photo], list[Photo]]:
    """Splits class by class, so that each keeps its share; a class's last photo always stays."""
    by_class: dict[str, list[int]] = defaultdict(list)
    for position, photo in enumerate(photos):
        by_class[photo.class_id].append(position)
    aside: set[int] = set()
    for number, class_id in enumerate(sorted(by_class)):
        positions = by_class[class_id]
        count = min(len(positions) - 1, int(fraction * len(positions) + 0.5))
        order = permutation(len(positions), Purpose.VALIDATION, seed=seed, number=number)
        aside.update(positions[place] for place in order[:count])
    if not aside:
        raise BadSourceError(f"val_fraction={fraction} of the largest class is less than one photo: raise it")
    kept = [photo for position, photo in enumerate(photos) if position not in aside]
    return kept, [photos[position] for position in sorted(aside)]
