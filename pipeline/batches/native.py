"""What compiled code calls: libjpeg-turbo, xxHash, and a copy that leaves the caches alone.

Functions here are compiled once per machine: numba keeps them beside this file, or where NUMBA_CACHE_DIR
says. A library is named by its symbols, so that what is kept holds no address of the process that compiled
it.
"""

from __future__ import annotations

from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.types import ExternalFunction
from numba.extending import intrinsic
from numpy.typing import NDArray

from pipeline.shards.sample_checksum import CHECKSUM_BYTES

# What can be wrong with a stored photo.
NO_FAULT: Final = 0
CHECKSUM_DIFFERS: Final = 1
DOES_NOT_DECODE: Final = 2

_VECTOR_BYTES: Final = 32
_PIXEL_FORMAT_RGB: Final = 0
# FFCV's choice: a twentieth faster than the slow transform, and a grey level apart from it at most places.
_FAST_DCT: Final = 2048


def _load(library: str, package: str) -> None:
    try:
        llvm.load_library_permanently(library)
    except RuntimeError as error:
        raise ImportError(f"{library} is not on this machine: install {package}") from error


_load("libturbojpeg.so.0", "libturbojpeg0")
_load("libxxhash.so.0", "libxxhash0")

# Called, a type of numba's makes the signature of a function that returns it.
_address: Any = types.uintp
_int: Any = types.int32
_long: Any = types.uint64
_new_decoder: Any = ExternalFunction("tjInitDecompress", _address())
_decompress: Any = ExternalFunction(
    "tjDecompress2", _int(_address, _address, _long, _address, _int, _int, _int, _int, _int)
)
_end_decoder: Any = ExternalFunction("tjDestroy", _int(_address))
_xxh3_64: Any = ExternalFunction("XXH3_64bits", _long(_address, _long))
_memcpy: Any = ExternalFunction("memcpy", _address(_address, _address, _long))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def decode_jpeg(stored: NDArray[np.uint8], pixels: NDArray[np.uint8], sealed: bool) -> int:
    """Decodes a JPEG into `pixels`, uint8 [S, S, 3] RGB, and says what was wrong: one of the faults above.

    `sealed` JPEGs end with their checksum, which is compared first. libjpeg's warnings count as faults: it
    gives them for pixels it had to make up.
    """
    num_bytes = len(stored)
    if sealed:
        num_bytes -= CHECKSUM_BYTES
        if num_bytes < 0 or _xxh3_64(stored.ctypes.data, num_bytes) != _little_endian(stored[num_bytes:]):
            return CHECKSUM_DIFFERS
    height, width, _ = pixels.shape
    # Making a decoder costs nothing measurable beside decoding, and one for each photo needs no owner.
    decoder = _new_decoder()
    failed = _decompress(
        decoder,
        stored.ctypes.data,
        num_bytes,
        pixels.ctypes.data,
        width,
        3 * width,
        height,
        _PIXEL_FORMAT_RGB,
        _FAST_DCT,
    )
    _end_decoder(decoder)
    return DOES_NOT_DECODE if failed else NO_FAULT


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def copy_past_caches(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Copies `source`, uint8 [n], to `target`, of as many bytes.

    A batch is larger than the caches, and not read again by whoever writes it: written past them, memory is
    spared reading what is about to be overwritten, a third of its traffic.
    """
    num_bytes = len(source)
    if num_bytes % _VECTOR_BYTES or target.ctypes.data % _VECTOR_BYTES:
        _memcpy(target.ctypes.data, source.ctypes.data, num_bytes)
    else:
        _stream(target.ctypes.data, source.ctypes.data, num_bytes // _VECTOR_BYTES)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _little_endian(eight_bytes: NDArray[np.uint8]) -> np.uint64:
    value = np.uint64(0)
    for place in range(CHECKSUM_BYTES):
        value |= np.uint64(eight_bytes[place]) << np.uint64(8 * place)
    return value


@intrinsic  # type: ignore[untyped-decorator]
def _stream(typing: Any, target: Any, source: Any, num_vectors: Any) -> Any:
    """Copies vectors with non-temporal stores; `target` must be aligned to a vector, `source` need not be."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), _VECTOR_BYTES)
        to, of = (builder.inttoptr(argument, vector.as_pointer()) for argument in arguments[:2])
        once = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        with cgutils.for_range(builder, arguments[2]) as loop:
            loaded = builder.load(builder.gep(of, [loop.index]), align=1)
            stored = builder.store(loaded, builder.gep(to, [loop.index]), align=_VECTOR_BYTES)
            stored.set_metadata("nontemporal", once)
        # Such stores are not ordered with any other: whoever is told that the copy is there must see it.
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.int64), generate
