"""Which split the files of a collection belong to, by the words in their paths."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from pipeline.errors import BadSourceError
from pipeline.photos.files import File

_USED: Final[tuple[str, ...]] = ("train", "val")
_SPLIT_OF_WORD: Final = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}


def by_split(files: Iterable[File]) -> dict[str, list[File]]:
    """The files of `train` and of `val`, whichever there are, sorted by path; `all` when no file has a word.

    A word is a run of letters: `imagenet1k-train-0000.tar` trains. Where a file's name has none, the nearest
    folder's counts. Test files are left out, unless nothing else is there: then they are what was asked for.
    Raises `BadSourceError` when only some of the files have such a word, or one has two that disagree.
    """
    listed = sorted(files)
    groups: dict[str | None, list[File]] = defaultdict(list)
    for file in listed:
        groups[_split_of(file.path)].append(file)
    unnamed = groups.pop(None, [])
    if unnamed and groups:
        raise BadSourceError(
            f"whether {unnamed[0].path!r} trains or validates is not known, while other files say it in their"
            " names: put train or val in its name, or move it away"
        )
    return {split: groups[split] for split in _USED if split in groups} or {"all": listed}


def _split_of(path: str) -> str | None:
    for part in reversed(path.split("/")):
        words = re.findall("[a-z]+", part.lower())
        splits = {_SPLIT_OF_WORD[word] for word in words if word in _SPLIT_OF_WORD}
        if len(splits) > 1:
            raise BadSourceError(f"{path!r} could be of {' or '.join(sorted(splits))}: leave one in its name")
        if splits:
            return splits.pop()
    return None
