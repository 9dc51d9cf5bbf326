"""Tables in MATLAB's files of version 5, as ImageNet's devkit has one.

A file is 128 bytes and then elements: a type, a number of bytes, the bytes. A matrix is an element of
elements: its class, its shape, its name, and what is in it; in a table, one matrix per cell, row by row.
SciPy reads all that they may hold, weighs 119 MB, and ends the process with SIGSEGV at some damaged files.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

Cell = float | str

_HEADER_BYTES: Final = 128
_BYTE_ORDERS: Final[Mapping[bytes, str]] = {b"IM": "<", b"MI": ">"}
_MATRIX: Final = 14
_COMPRESSED: Final = 15
_TABLE_CLASS: Final = 2
_TEXT_CLASS: Final = 4
_NUMBERS: Final = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
# MATLAB's characters are of 16 bits; those that fit are written in 8.
_BYTES_OF_TEXT: Final = {1: "latin-1", 2: "latin-1", 16: "utf-8"}
_WORDS_OF_TEXT: Final = {4: "utf-16", 17: "utf-16", 18: "utf-32"}


class _Element(NamedTuple):
    kind: int
    content: bytes


class _Matrix(NamedTuple):
    kind: int
    shape: Sequence[int]
    name: bytes
    elements: Sequence[_Element]


def read_table(document: bytes, name: str, columns: Sequence[str]) -> list[tuple[Cell, ...]]:
    """These columns, of one number or text per cell, of the table of this name, row by row.

    Raises ValueError, KeyError, struct.error or zlib.error when the file is damaged or has no such table.
    """
    order = _BYTE_ORDERS.get(document[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if order is None:
        raise ValueError("not a MATLAB file of version 5")
    for element in _elements(document[_HEADER_BYTES:], order):
        matrix = _matrix(element, order)
        if matrix.name == name.encode():
            return _rows(matrix, columns, order)
    raise KeyError(f"no variable {name}")


def _elements(data: bytes, order: str) -> Iterator[_Element]:
    place = 0
    while place < len(data):
        kind, num_bytes = struct.unpack_from(f"{order}II", data, place)
        begin = place + 8
        if kind >> 16:  # four bytes and fewer lie where their number would
            kind, num_bytes, begin = kind & 0xFFFF, kind >> 16, place + 4
        end = begin + num_bytes
        if end > len(data):
            raise ValueError("cut off")
        yield _Element(kind, data[begin:end])
        place = end if kind == _COMPRESSED else end + -end % 8


def _matrix(element: _Element, order: str) -> _Matrix:
    if element.kind == _COMPRESSED:
        element, *_ = _elements(zlib.decompress(element.content), order)
    if element.kind != _MATRIX:
        raise ValueError(f"an element of type {element.kind} where a matrix should be")
    flags, shape, name, *elements = _elements(element.content, order)
    (first_flags,) = struct.unpack_from(f"{order}I", flags.content)
    return _Matrix(first_flags & 0xFF, _numbers(shape, order), name.content, elements)


def _rows(table: _Matrix, columns: Sequence[str], order: str) -> list[tuple[Cell, ...]]:
    if table.kind != _TABLE_CLASS:
        raise ValueError(f"{table.name!r} is no table")
    name_bytes, names, *cells = table.elements
    (width,) = _numbers(name_bytes, order)
    fields = _field_names(names.content, width)
    if len(cells) != math.prod(table.shape) * len(fields):
        raise ValueError(f"{len(cells)} cells in a table of {len(fields)} columns and shape {table.shape}")
    places = [fields.index(column) for column in columns]
    return [
        tuple(_cell(_matrix(cells[start + place], order), order) for place in places)
        for start in range(0, len(cells), len(fields))
    ]


def _field_names(names: bytes, width: int) -> list[str]:
    return [
        names[start : start + width].partition(b"\0")[0].decode("ascii")
        for start in range(0, len(names), width)
    ]


def _cell(matrix: _Matrix, order: str) -> Cell:
    if matrix.kind == _TEXT_CLASS:
        return "".join(_text(element, order) for element in matrix.elements)
    (element,) = matrix.elements
    (number,) = _numbers(element, order)
    return number


def _numbers(element: _Element, order: str) -> Sequence[int]:
    form = _NUMBERS[element.kind]
    return struct.unpack(f"{order}{len(element.content) // struct.calcsize(form)}{form}", element.content)


def _text(element: _Element, order: str) -> str:
    if element.kind in _BYTES_OF_TEXT:
        return element.content.decode(_BYTES_OF_TEXT[element.kind])
    return element.content.decode(_WORDS_OF_TEXT[element.kind] + ("-le" if order == "<" else "-be"))
