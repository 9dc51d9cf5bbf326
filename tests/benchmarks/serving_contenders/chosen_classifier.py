"""The classifier that a peer's server is to answer with."""

from __future__ import annotations

from pathlib import Path

from naive_classifier import NaiveClassifier
from published_classifier import PublishedClassifier

CLASSIFIERS = {"published": PublishedClassifier, "naive": NaiveClassifier}


def chosen_classifier(code: str, folder: str) -> PublishedClassifier | NaiveClassifier:
    """`code` says whose network code: "published", this project's, or "naive"."""
    return CLASSIFIERS[code](Path(folder))
