"""Random numbers that can be looked up: Philox4x32-10 (Salmon et al., SC 2011) in torch's integers."""

from __future__ import annotations

from typing import Final

import torch

_ROUNDS: Final = 10
_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS: Final = (0x9E3779B9, 0xBB67AE85)
_WORD: Final = 0xFFFFFFFF


def philox(key: tuple[int, int], counters_N4: torch.Tensor) -> torch.Tensor:
    """Four random words for each counter of four words: int64 [..., 4], each in [0, 2³²).

    The same key and counter give the same words on every device and in every version of torch.
    """
    # Products wrap round at 64 bits, which leaves the bits used here as they would be without a sign.
    a, b, c, d = counters_N4.unbind(-1)
    key_a, key_b = key
    for _ in range(_ROUNDS):
        product_a, product_c = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, c = (product_c >> 32 & _WORD) ^ b ^ key_a, (product_a >> 32 & _WORD) ^ d ^ key_b
        b, d = product_c & _WORD, product_a & _WORD
        key_a, key_b = key_a + _KEY_STEPS[0] & _WORD, key_b + _KEY_STEPS[1] & _WORD
    return torch.stack((a, b, c, d), dim=-1)
