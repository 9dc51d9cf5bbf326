"""The paper's claims that small networks and CIFAR-10 can be asked about, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from service.reproduction.cifar_claims import LRN, POOLING, RELU
from service.reproduction.claim import Claim
from service.reproduction.tiny_claims import AUGMENTATION, DROPOUT, TOWERS

ClaimName = Literal["relu", "lrn", "pooling", "towers", "dropout", "augmentation"]

CLAIMS: Final[Mapping[ClaimName, Claim]] = MappingProxyType(
    {
        "relu": RELU,
        "lrn": LRN,
        "pooling": POOLING,
        "towers": TOWERS,
        "dropout": DROPOUT,
        "augmentation": AUGMENTATION,
    }
)
