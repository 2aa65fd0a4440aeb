"""A pickle that may hold one numpy array of numbers and nothing else.

Nothing that the file names is looked up or called: the few names that numpy writes stand for inert classes here, which
note what they are given, and the array is made from the noted bytes at the end. Formats: numpy's `__reduce__`
(`_reconstruct`, protocols 0 to 4) and `_frombuffer` (protocol 5), and lists or tuples of plain numbers.

Only the opcodes that these are written with are known. There are no dictionaries and sets among them: tuples that hold
each other twice grow as two to the power of their depth when one is hashed as a key.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from typing import Any, ClassVar

import numpy as np

from errors import RequestError

NUMBERS = re.compile(r"[<>=|]?[fiu][1248]")
MAX_VALUES = 2**20
MAX_AXES = 32
"""numpy's own limit is 64; the product of the sides is formed only below this."""

OPCODES = (
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE,
    pickle.GET, pickle.BINGET, pickle.LONG_BINGET, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE,
    pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1, pickle.BININT2,
    pickle.LONG, pickle.LONG1, pickle.FLOAT, pickle.BINFLOAT, pickle.UNICODE, pickle.BINUNICODE,
    pickle.SHORT_BINUNICODE, pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1,
    pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST, pickle.LIST, pickle.APPEND, pickle.APPENDS,
)  # fmt: skip
KEYED = (
    pickle.EMPTY_DICT, pickle.DICT, pickle.SETITEM, pickle.SETITEMS, pickle.EMPTY_SET, pickle.ADDITEMS,
    pickle.FROZENSET,
)  # fmt: skip
CURE = "Give a pickle with one numpy array of numbers, or save the array with numpy.save."


def load_array(data: bytes, *, field: str = "template") -> np.ndarray:
    """The array in a pickle. Raises RequestError for everything else, before anything of it has run."""
    try:
        # The C unpickler reserves memory for whatever memo number a file claims; this one keeps a dict.
        found = _Reader(io.BytesIO(data)).load()
        return _array(found)
    except RequestError:
        raise
    except _Foreign as error:
        message = f"The pickle holds {error}, not one array of plain numbers."
        raise RequestError(message, field=field, cure=CURE) from error
    except _Keyed as error:
        message = "The pickle holds a dictionary or a set, not an array of numbers."
        raise RequestError(message, field=field, cure="Save the array that is in it, with numpy.save.") from error
    except Exception as error:  # a broken pickle raises whatever its opcodes run into
        raise RequestError("The pickle is damaged or holds no array of numbers.", field=field, cure=CURE) from error


class _Foreign(Exception):
    """What has no business in an array; a name is shortened and quoted, because the file chose it."""


class _Keyed(Exception):
    """A dictionary or a set."""


class _Dtype:
    def __init__(self, code: Any = None, *_: Any) -> None:
        if not isinstance(code, str) or not NUMBERS.fullmatch(code):
            raise _Foreign("objects or another dtype")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "=", "|"):
            raise _Foreign("objects or another dtype")
        self.order = order

    def numpy(self) -> np.dtype:
        kind = np.dtype(self.code)
        return kind if self.order in "=|" else kind.newbyteorder(self.order)  # type: ignore[arg-type]


class _NdarrayName:
    """Stands for the class `numpy.ndarray`, which a pickle hands to `_reconstruct`; it is never made."""

    def __init__(self, *_: Any) -> None:
        raise _Foreign("numpy.ndarray itself")


class _Array:
    """What `_reconstruct` begins and the state completes."""

    def __init__(self, kind: Any = None, *_: Any) -> None:
        if kind is not _NdarrayName:
            raise _Foreign("an array of another class")
        self.parts: tuple[Any, Any, Any, bool] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.parts = (data, dtype, shape, bool(fortran))


class _Buffer(_Array):
    """`_frombuffer`: everything at once."""

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> None:
        self.parts = (data, dtype, shape, order == "F")


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """`_codecs.encode` as protocols 0 to 2 use it for bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise _Foreign("an encoding other than latin1")
    return text.encode("latin1")


_CORES = ("numpy.core", "numpy._core")
_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _NdarrayName,
    ("_codecs", "encode"): _latin1,
    **{(f"{core}.multiarray", "_reconstruct"): _Array for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _Buffer for core in _CORES},
}


_Unpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]


class _Reader(_Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise _Foreign(repr(f"{module}.{name}"[:80])) from None

    def load_build(self) -> None:
        """State goes to what was made here and nowhere else: on a class or a function it would stay behind."""
        if len(self.stack) < 2 or not isinstance(self.stack[-2], _Dtype | _Array):
            raise _Foreign("a state for something else")
        super().load_build()

    def load_bytes_of_an_array(self) -> None:
        """`BYTEARRAY8` would have memory for whatever length the file claims."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(length))

    def load_keyed(self) -> None:
        raise _Keyed

    dispatch: ClassVar[dict[int, Any]] = {
        **{code[0]: _Unpickler.dispatch[code[0]] for code in OPCODES},
        **dict.fromkeys((code[0] for code in KEYED), load_keyed),
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytes_of_an_array,
    }


def _array(found: Any) -> np.ndarray:
    if isinstance(found, _Array) and found.parts is not None:
        data, dtype, shape, fortran = found.parts
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
            raise _Foreign("an unfinished array")
        if not isinstance(shape, tuple) or len(shape) > MAX_AXES:
            raise _Foreign("an array of an impossible shape")
        if not all(type(side) is int and 0 <= side <= MAX_VALUES for side in shape):
            raise _Foreign("an array of an impossible shape")
        if math.prod(shape) > MAX_VALUES:
            raise _Foreign(f"more than {MAX_VALUES:,} numbers")
        flat = np.frombuffer(bytes(data), dtype.numpy())
        return flat.reshape(shape, order="F" if fortran else "C").astype(flat.dtype.newbyteorder("="))
    if isinstance(found, list | tuple) and found and all(type(value) in (int, float) for value in found):
        return np.array(found, np.float64)
    raise _Foreign("something else")
