"""Figures show what they are of: kernels pixel by pixel, bars and neighbours where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from model.config import ModelConfig
from model.figures.answers import OTHER_COLOUR, TRUE_COLOUR, Answer, Bar, answers_figure
from model.figures.filters import filter_mosaic, tower_mosaics
from model.figures.lettering import fitted, width_of
from model.figures.nearest import NearestPhotos, Neighbour
from model.figures.neighbours import Query, neighbours_figure
from model.figures.sheet import pixels_of
from model.network.architecture import layers_of

WHITE = 255


def photo(value: int) -> NDArray[np.uint8]:
    """A photo of one grey, to be known again."""
    return np.full((8, 8, 3), value, np.uint8)


# Filters. A kernel of 2×2 is enlarged 33 times, to 66 pixels, and the next begins 4 pixels further on. The
# margin is 12, a label 30.


def four_kernels() -> NDArray[np.float32]:
    """Of 2×2: one is 0, one red at its top left, one the negative of that, one fainter in all channels."""
    kernels = np.zeros((4, 3, 2, 2), np.float32)
    kernels[1, 0, 0, 0] = 0.5
    kernels[2, 0, 0, 0] = -0.5
    kernels[3, :, 1, 0] = 0.25
    return kernels


def test_one_tower_is_its_kernels_enlarged_side_by_side_on_one_scale_around_grey() -> None:
    grey = (128, 128, 128)
    by_hand = [
        [[grey, grey], [grey, grey]],
        [[(255, 128, 128), grey], [grey, grey]],
        [[(0, 128, 128), grey], [grey, grey]],
        [[grey, grey], [(191, 191, 191), grey]],
    ]
    expected = np.full((12 + 66 + 12, 12 + 4 * 66 + 3 * 4 + 12, 3), WHITE, np.uint8)
    for place, kernel in enumerate(by_hand):
        for row in range(2):
            for column in range(2):
                top, left = 12 + 33 * row, 12 + 70 * place + 33 * column
                expected[top : top + 33, left : left + 33] = kernel[row][column]
    found = filter_mosaic(four_kernels(), towers=1)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_towers_stand_apart_the_first_on_top_each_below_its_label() -> None:
    alone = filter_mosaic(four_kernels(), towers=1)
    found = filter_mosaic(four_kernels(), towers=2)
    width = 12 + 2 * 66 + 4 + 12
    assert found.shape == (2 * (12 + 30 + 66) + 12, width, 3)
    tops = [12 + 30, 12 + 30 + 66 + 12 + 30]
    for tower, top in enumerate(tops):
        kernels = alone[12:78, 12 + tower * 140 : 12 + tower * 140 + 136]
        np.testing.assert_array_equal(found[top : top + 66, 12 : width - 12], kernels)
    labels = [found[top - 30 : top, 12 : width - 12] for top in tops]
    assert all(label.min() < 50 for label in labels)
    assert not np.array_equal(*labels)
    # Nothing but paper is left between them once the labels are taken away.
    for top in tops:
        found[top - 30 : top] = WHITE
    assert (found[: tops[0]] == WHITE).all()
    assert (found[tops[0] + 66 : tops[1]] == WHITE).all()
    assert (found[:, :12] == WHITE).all()
    assert (found[:, -12:] == WHITE).all()


def test_a_tower_by_itself_is_what_it_is_beside_the_other_on_the_scale_of_both() -> None:
    both = filter_mosaic(four_kernels(), towers=2)
    alone = tower_mosaics(four_kernels(), towers=2)
    assert len(alone) == 2
    for top, block in zip((42, 150), alone, strict=True):
        np.testing.assert_array_equal(block, both[top : top + 66, 12:-12])


@pytest.mark.parametrize(
    ("preset", "side", "rows"),
    [
        ("alexnet", 6 * 11, 3),
        ("alexnet-half", 6 * 11, 3),
        ("alexnet-tiny", 9 * 7, 1),
        ("alexnet-tiny-half", 9 * 7, 1),
        ("cifar-4layer", 13 * 5, 2),
    ],
)
def test_every_networks_first_layer_is_shown_sixteen_kernels_to_a_row(
    preset: str, side: int, rows: int
) -> None:
    config = ModelConfig.preset(preset, num_classes=2)
    shape = layers_of(config)[0].parameter_shapes["weight"]
    count, top, pitch = shape[0] // config.towers, 12 + 30 * (config.towers == 2), side + 4
    weights = np.zeros(shape, np.float32)
    # The last of tower 0's: it is white where it is not grey.
    weights[count - 1, :, -1, -1] = 1.0
    found = filter_mosaic(weights, config.towers)
    block = top + rows * pitch - 4
    assert found.shape == (config.towers * block + 12, 12 + 16 * pitch - 4 + 12, 3)
    corner = found[top + (rows - 1) * pitch :, 12 + 15 * pitch :][:side, :side]
    weight = side // shape[-1]
    assert (corner[-weight:, -weight:] == 255).all()
    assert (corner[:-weight] == 128).all()


def test_kernels_that_are_all_zero_are_grey() -> None:
    found = filter_mosaic(np.zeros((2, 3, 5, 5), np.float32), towers=1)
    assert set(np.unique(found)) == {128, WHITE}


def test_kernels_that_two_towers_cannot_share_are_refused() -> None:
    with pytest.raises(ValueError, match="3 kernels are not divisible by towers=2"):
        filter_mosaic(np.zeros((3, 3, 5, 5), np.float32), towers=2)


# Answers.

DOG = Answer(
    photo(10),
    [Bar("cat", 0.5, is_true=False), Bar("dog", 0.25, is_true=True), Bar("owl", 0.001, is_true=False)],
    truth="dog",
)
UNKNOWN = Answer(photo(20), [Bar("cat", 1.0, is_true=False)])


def photo_axes(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def bar_axes(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.patches]


def texts(owner: Axes | Figure) -> list[str]:
    return [text.get_text() for text in owner.texts]


def test_bars_are_as_long_as_their_probabilities_from_the_top_down() -> None:
    axes, other = bar_axes(answers_figure([DOG, UNKNOWN]))
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.25, 0.001]
    assert [bar.get_width() for bar in other.patches] == [1.0]
    heights = [axes.transData.transform((0, bar.get_y() + bar.get_height() / 2))[1] for bar in axes.patches]
    assert heights == sorted(heights, reverse=True)
    assert axes.get_xlim() == (0, 1)
    assert texts(axes) == ["cat", "50 %", "dog", "25 %", "owl", "<1 %"]


def test_the_true_class_alone_has_another_colour_and_is_bold() -> None:
    known, unknown = bar_axes(answers_figure([DOG, UNKNOWN]))
    colours = [to_hex(bar.get_facecolor()).upper() for bar in known.patches]
    assert colours == [OTHER_COLOUR, TRUE_COLOUR, OTHER_COLOUR]
    assert OTHER_COLOUR != TRUE_COLOUR
    assert [text.get_text() for text in known.texts if text.get_weight() == "bold"] == ["dog", "25 %"]
    assert [to_hex(bar.get_facecolor()).upper() for bar in unknown.patches] == [OTHER_COLOUR]


def test_each_photo_stands_above_its_truth_and_that_above_its_bars() -> None:
    figure = answers_figure([DOG, DOG._replace(photo=photo(30), truth="dogfish")])
    photos, bars = photo_axes(figure), bar_axes(figure)
    assert [axes.images[0].get_array()[0, 0, 0] for axes in photos] == [10, 30]
    assert texts(figure) == ["dog", "dogfish"]
    for above, label, below in zip(photos, figure.texts, bars, strict=True):
        x, y = label.get_position()
        assert above.get_position().y0 > y > below.get_position().y1
        assert above.get_position().x0 < x < above.get_position().x1
        assert above.get_position().x0 == pytest.approx(below.get_position().x0)


def test_without_truths_there_is_neither_a_label_nor_a_key_to_colours() -> None:
    figure = answers_figure([UNKNOWN])
    assert texts(figure) == []
    assert figure.legends == []
    assert [text.get_text() for text in answers_figure([DOG]).legends[0].get_texts()] == [
        "the true class",
        "other classes",
    ]


def test_many_answers_fill_rows_of_four_without_overlap() -> None:
    figure = answers_figure([DOG] * 6)
    boxes = [axes.get_position() for axes in figure.axes]
    assert len({round(axes.get_position().y0, 6) for axes in photo_axes(figure)}) == 2
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 1 and box.y1 <= 1 for box in boxes)
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(later) for later in boxes[number + 1 :])


@pytest.mark.parametrize("name", ["W" * 300, "$x_1$ and \\frac{", "犬 dog", "two\nlines", "", "$"])
def test_names_of_any_kind_are_drawn_within_their_bar(name: str) -> None:
    figure = answers_figure([Answer(photo(1), [Bar(name, 0.5, is_true=True)], truth=name)])
    pixels = pixels_of(figure)
    assert pixels.shape == (*(round(200 * inches) for inches in figure.get_size_inches()[::-1]), 3)
    (axes,) = bar_axes(figure)
    label, share = (text.get_window_extent() for text in axes.texts)
    assert label.x0 >= axes.bbox.x0
    assert label.x1 <= share.x0
    assert share.x1 <= axes.bbox.x1


# Lettering.


def test_a_line_is_cut_only_where_it_does_not_fit() -> None:
    font = FontProperties(size=8)
    assert fitted("tabby, tabby cat", 2.0, font) == "tabby, tabby cat"
    long = "hen-of-the-woods, hen of the woods, Polyporus frondosus"
    cut = fitted(long, 1.0, font)
    assert cut.endswith("…")
    assert long.startswith(cut[:-1])
    assert width_of(cut, font) <= 1.0
    longer = long[: len(cut) + 1] + "…"
    assert width_of(longer, font) > 0.95


def test_what_the_font_lacks_is_shown_as_unknown() -> None:
    assert fitted("crème 犬 brûlée", 3.0, FontProperties(size=8)) == "crème \N{REPLACEMENT CHARACTER} brûlée"


# Neighbours.


def slow_neighbours(
    query: NDArray[np.float32], embeddings: NDArray[np.float32], ids: NDArray[np.int64], count: int
) -> list[tuple[float, int]]:
    """Every distance summed number by number, all sorted."""
    distances = [
        (sum((float(a) - float(b)) ** 2 for a, b in zip(query, row, strict=True)) ** 0.5, int(each))
        for row, each in zip(embeddings, ids, strict=True)
    ]
    return sorted(distances)[:count]


def found_in_batches(
    queries: NDArray[np.float32], embeddings: NDArray[np.float32], order: NDArray[np.int64], count: int
) -> list[list[Neighbour]]:
    """Photo i has the id 100 + i, the label i % 7 and the grey i; added seven at a time in that order."""
    search = NearestPhotos(queries, count)
    for start in range(0, len(order), 7):
        places = order[start : start + 7]
        photos = np.stack([photo(int(place)) for place in places])
        search.add(embeddings[places], 100 + places, places % 7, photos)
    return search.neighbours


def test_neighbours_are_those_of_a_slow_search_in_whatever_order_they_come() -> None:
    random = np.random.default_rng(3)
    embeddings = random.normal(size=(60, 5)).astype(np.float32)
    queries = random.normal(size=(3, 5)).astype(np.float32)
    for order in (np.arange(60), random.permutation(60)):
        found = found_in_batches(queries, embeddings, order, count=10)
        for query, neighbours in zip(queries, found, strict=True):
            expected = slow_neighbours(query, embeddings, 100 + np.arange(60), 10)
            assert [each.sample_id for each in neighbours] == [sample_id for _, sample_id in expected]
            assert [each.distance for each in neighbours] == pytest.approx(
                [far for far, _ in expected], rel=1e-5
            )
            assert [each.label for each in neighbours] == [(each.sample_id - 100) % 7 for each in neighbours]
            assert all((each.photo == each.sample_id - 100).all() for each in neighbours)


def test_of_equally_distant_photos_the_least_sample_id_is_nearer() -> None:
    embeddings = np.ones((20, 2), np.float32)
    (found,) = found_in_batches(np.zeros((1, 2), np.float32), embeddings, np.arange(20)[::-1], count=3)
    assert [each.sample_id for each in found] == [100, 101, 102]


def test_small_differences_between_large_embeddings_are_told_apart() -> None:
    embeddings = np.full((3, 4), 4096, np.float32)
    embeddings[:, 0] += [0.5, 0.25, 0.75]
    (found,) = found_in_batches(np.full((1, 4), 4096, np.float32), embeddings, np.arange(3), count=3)
    assert [(each.sample_id, each.distance) for each in found] == [(101, 0.25), (100, 0.5), (102, 0.75)]


def test_fewer_photos_than_asked_for_are_all_found() -> None:
    embeddings = np.arange(4, dtype=np.float32)[:, None]
    (found,) = found_in_batches(np.zeros((1, 1), np.float32), embeddings, np.arange(4), count=9)
    assert [each.distance for each in found] == [0, 1, 2, 3]


def test_queries_stand_in_the_first_column_and_their_neighbours_in_order_in_the_others() -> None:
    near = [Neighbour(1.0, 1, 0, photo(11)), Neighbour(2.5, 2, 1, photo(12))]
    far = [Neighbour(4.0, 2, 1, photo(21)), Neighbour(8.0, 1, 0, photo(22))]
    queries = [Query(photo(10), 1, near), Query(photo(20), 0, far)]
    figure = neighbours_figure(queries, ["cat", "dog"], "fc7")
    places = {
        int(axes.images[0].get_array()[0, 0, 0]): (axes.get_position().x0, -axes.get_position().y0)
        for axes in photo_axes(figure)
    }
    assert len(places) == 6
    columns = sorted({round(x, 6) for x, _ in places.values()})
    rows = sorted({round(y, 6) for _, y in places.values()})
    for row, values in enumerate([(10, 11, 12), (20, 21, 22)]):
        for column, value in enumerate(values):
            assert places[value] == pytest.approx((columns[column], rows[row]), abs=1e-5)
    assert texts(figure) == [
        "Query", "Nearest training photos, L2 distance on fc7",
        "dog", "cat", "1.00", "dog", "2.50",
        "cat", "dog", "4.00", "cat", "8.00",
    ]  # fmt: skip
    bold = [text.get_text() for text in figure.texts if text.get_weight() == "bold"]
    assert bold == ["Query", "Nearest training photos, L2 distance on fc7", "dog", "dog", "cat", "cat"]


def test_a_drawn_figure_is_dark_where_its_photos_are() -> None:
    figure = neighbours_figure([Query(photo(0), 0, [Neighbour(1.0, 1, 0, photo(0))])], ["cat"], "fc7")
    pixels = pixels_of(figure)
    assert pixels.dtype == np.uint8
    assert (pixels[0, 0] == WHITE).all()
    for axes in photo_axes(figure):
        box = axes.bbox
        inside = pixels[int(len(pixels) - box.y1) + 3 : int(len(pixels) - box.y0) - 3]
        assert (inside[:, int(box.x0) + 3 : int(box.x1) - 3] == 0).all()
