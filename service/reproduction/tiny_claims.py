"""The claims about towers, dropout and augmentation, as data, for alexnet-tiny, which has all three."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from service.reproduction.claim import Arm, Claim, Comparison, Form
from service.reproduction.measures import EpochsToTrainError, FinalGap, FinalTestError
from service.reproduction.settings import PLAIN, settings

_TEST_ERROR: Final = FinalTestError()


def _tiny(name: str, recipe: Mapping[str, Any], *, network: str = "alexnet-tiny", **switches: Any) -> Arm:
    return Arm(name, network, (0.004,), settings(**switches), recipe)


_TWO_TOWERS: Final = _tiny("two towers", settings(random_crop=True))
_ONE_TOWER: Final = _tiny("one tower", settings(random_crop=True), network="alexnet-tiny-half")
_NO_EXCHANGE: Final = _tiny("no exchange", settings(random_crop=True), exchange=False)

TOWERS: Final = Claim(
    title="Two towers beat one with half the kernels",
    section="P §3.2",
    paper="ImageNet: 1.7 points top-1, 1.2 top-5; without exchange, the 2012 source's net had 1.1 more",
    choices="CIFAR-10 enlarged to 72 pixels, networks narrower than the paper's",
    comparisons=(
        Comparison(_TEST_ERROR, less="two towers", more="one tower", paper="1.7 points"),
        Comparison(_TEST_ERROR, less="two towers", more="no exchange", paper="1.1 points"),
    ),
    forms=MappingProxyType(
        {
            "quick": Form(
                # What exchange adds is less than one seed's chance.
                arms=(_TWO_TOWERS, _ONE_TOWER),
                epochs=6,
                seeds=(0,),
                train_per_class=1_000,
                train_photos_measured=1_000,
            ),
            "full": Form(
                arms=(_TWO_TOWERS, _ONE_TOWER, _NO_EXCHANGE),
                epochs=6,
                seeds=(0, 1),
                train_per_class=1_000,
                train_photos_measured=1_000,
            ),
        }
    ),
    plotted=("test_error",),
)

_NO_DROPOUT: Final = _tiny("no dropout", PLAIN, dropout=0.0)
_DROPOUT: Final = _tiny("dropout 0.5", PLAIN, dropout=0.5)

DROPOUT: Final = Claim(
    title="Dropout overfits less and learns more slowly",
    section="P §4.2",
    paper="substantial overfitting without it; about twice the iterations to converge with it",
    choices="no crops and flips, so that there is overfitting to see",
    comparisons=(
        Comparison(FinalGap(), less="dropout 0.5", more="no dropout", paper="substantially"),
        Comparison(
            EpochsToTrainError(0.4), less="no dropout", more="dropout 0.5", paper="about 2×", as_ratio=True
        ),
    ),
    forms=MappingProxyType(
        {
            "quick": Form(
                arms=(_NO_DROPOUT, _DROPOUT),
                epochs=16,
                seeds=(0,),
                train_per_class=500,
                test_per_class=200,
                train_photos_measured=2_000,
            ),
            "full": Form(
                arms=(_NO_DROPOUT, _DROPOUT),
                epochs=16,
                seeds=(0,),
                train_per_class=1_000,
                test_per_class=200,
                train_photos_measured=2_000,
            ),
        }
    ),
    plotted=("train_error", "test_error"),
)

_NO_AUGMENTATION: Final = _tiny("plain", PLAIN)
_CROPS: Final = _tiny("crops+flips", settings(random_crop=True, flip=True))
_COLOURS: Final = _tiny("+colour noise", settings(random_crop=True, flip=True, colour_noise=True))

AUGMENTATION: Final = Claim(
    title="Crops, flips and colour noise lessen overfitting",
    section="P §4.1",
    paper="substantial overfitting without crops and flips; colour noise takes over 1 point off top-1",
    choices="crops of 64 pixels from CIFAR-10 enlarged to 72; no dropout",
    comparisons=(
        Comparison(FinalGap(), less="crops+flips", more="plain", paper="substantially"),
        Comparison(_TEST_ERROR, less="crops+flips", more="plain", paper="substantially"),
        Comparison(_TEST_ERROR, less="+colour noise", more="crops+flips", paper="1 point"),
    ),
    forms=MappingProxyType(
        {
            "quick": Form(
                # Colour noise pays in longer runs only.
                arms=(_NO_AUGMENTATION, _CROPS),
                epochs=16,
                seeds=(0,),
                train_per_class=500,
                test_per_class=500,
                train_photos_measured=2_000,
            ),
            "full": Form(
                arms=(_NO_AUGMENTATION, _CROPS, _COLOURS),
                epochs=16,
                seeds=(0,),
                train_per_class=1_000,
                test_per_class=500,
                train_photos_measured=2_000,
            ),
        }
    ),
    plotted=("train_error", "test_error"),
)
