"""Tables in MATLAB's files against SciPy, which also writes them."""

from __future__ import annotations

import io
import random
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pipeline.photos.sources.matlab import read_table

COLUMNS = ("ILSVRC2012_ID", "WNID", "words", "num_children")
ROWS = [
    (1, "n02119789", "kit fox, Vulpes macrotis", 0),
    (2, "n02100735", "", 0),
    (3, "n07930864", "café au lait", 0),
    (70000, "n00001740", "entity", 3),
]


def table_of(rows, shape):
    """As the devkit's: with columns that nobody asks for, of which one holds vectors."""
    types = [(column, "O") for column in ("gloss", *COLUMNS, "children")]
    table = np.empty(len(rows), types)
    for place, row in enumerate(rows):
        table[place] = (f"what {row[1]} is", *row, np.arange(1.0, row[3] + 1)[None])
    return table.reshape(shape)


def saved(variables, **options):
    buffer = io.BytesIO()
    savemat(buffer, variables, **options)
    return buffer.getvalue()


def read_by_scipy(document):
    table = loadmat(io.BytesIO(document), squeeze_me=True)["synsets"].reshape(-1)
    # SciPy has an empty array for an empty text.
    return [tuple(row[name] if np.size(row[name]) else "" for name in COLUMNS) for row in table]


@pytest.mark.parametrize("shape", [(1, -1), (-1, 1)])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("count", [1, len(ROWS), 200])
def test_rows_are_those_that_scipy_reads(count, compressed, shape):
    rows = [ROWS[place % len(ROWS)] for place in range(count)]
    variables = {"before": np.eye(3), "synsets": table_of(rows, shape), "after": "text"}
    document = saved(variables, do_compression=compressed)
    assert read_table(document, "synsets", COLUMNS) == read_by_scipy(document) == rows


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_numbers_of_every_type_are_read(kind):
    row = (kind(7), "n02119789", "kit fox", kind(0))
    assert read_table(saved({"synsets": table_of([row], (1, 1))}), "synsets", COLUMNS) == [row]


def element(order, kind, content):
    if 0 < len(content) <= 4:
        words = (kind | len(content) << 16, content.ljust(4, b"\0"))
        return struct.pack(f"{order}I4s", *words)
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(order, kind, shape, name, *elements):
    parts = (
        element(order, 6, struct.pack(f"{order}II", kind, 0)),
        element(order, 5, struct.pack(f"{order}ii", *shape)),
        element(order, 1, name),
        *elements,
    )
    return element(order, 14, b"".join(parts))


@pytest.mark.parametrize("text_type", [(4, "utf-16"), (16, "utf-8"), (17, "utf-16"), (18, "utf-32")])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_matlab_writes_and_scipy_does_not_is_read(order, text_type, compressed):
    """Characters of 16 bits, and the byte order of other processors."""
    text_kind, encoding = text_type
    if text_kind != 16:
        encoding += "-le" if order == "<" else "-be"
    texts = [text.encode(encoding) for text in ("n02119789", "café")]
    cells = (
        matrix(order, 6, (1, 1), b"", element(order, 2, b"\x07")),
        matrix(order, 4, (1, 9), b"", element(order, text_kind, texts[0])),
        matrix(order, 4, (1, 4), b"", element(order, text_kind, texts[1])),
        matrix(order, 6, (1, 1), b"", element(order, 9, struct.pack(f"{order}d", 0))),
    )
    names = b"".join(name.encode().ljust(32, b"\0") for name in COLUMNS)
    width = element(order, 5, struct.pack(f"{order}i", 32))
    table = matrix(order, 2, (1, 1), b"synsets", width, element(order, 1, names), *cells)
    if compressed:
        packed = zlib.compress(table)
        table = struct.pack(f"{order}II", 15, len(packed)) + packed
    header = bytes(124) + struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")
    assert read_table(header + table, "synsets", COLUMNS) == [(7, "n02119789", "café", 0)]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_read_or_refused(compressed):
    """Whichever byte is another: SciPy's process ends at some of them."""
    document = saved({"synsets": table_of(ROWS, (-1, 1))}, do_compression=compressed)
    generator = random.Random(5)
    damaged = [document[:size] for size in range(len(document))]
    for place in range(len(document)):
        changed = bytearray(document)
        changed[place] ^= generator.randrange(1, 256)
        damaged.append(bytes(changed))
    refused = 0
    for content in damaged:
        try:
            read_table(content, "synsets", COLUMNS)
        except (ValueError, KeyError, struct.error, zlib.error):
            refused += 1
    assert refused > len(document)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"others": np.eye(2)}, "no variable synsets"),
        ({"synsets": np.eye(2)}, "is no table"),
        ({"synsets": {"WNID": "n02119789", "num_children": 0}}, "ILSVRC2012_ID"),
        ({"synsets": table_of([(np.eye(2), "a", "b", 0)], (1, 1))}, "too many values"),
    ],
)
def test_another_table_is_refused(variables, problem):
    with pytest.raises((ValueError, KeyError), match=problem):
        read_table(saved(variables), "synsets", COLUMNS)
