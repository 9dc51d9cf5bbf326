"""The classifier that a peer's server is to answer with."""

from __future__ import annotations

from pathlib import Path

from naive_classifier import NaiveClassifier
from published_classifier import PillowClassifier, PublishedClassifier

CLASSIFIERS = {"published": PublishedClassifier, "pillow": PillowClassifier, "naive": NaiveClassifier}


def chosen_classifier(code: str, folder: str) -> PublishedClassifier | NaiveClassifier:
    """`code` says whose: "published" is this project's, "pillow" its network alone, "naive" none of it."""
    return CLASSIFIERS[code](Path(folder))
