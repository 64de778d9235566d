"""Evaluates JavaScript through the shared library that evaluate.c is: evaluate.py LIBRARY SOURCE."""

import ctypes
import sys


def evaluate(library, source):
    """The value of `source` as text; what it throws is a RuntimeError."""
    ran = ctypes.c_int()
    text = library.evaluate(source.encode(), ctypes.byref(ran))
    if not text:
        raise MemoryError("no isolate could be made")
    try:
        value = ctypes.string_at(text).decode()
    finally:
        library.evaluate_free(text)
    if not ran.value:
        raise RuntimeError(value)
    return value


def load(path):
    library = ctypes.CDLL(path)
    library.evaluate.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)]
    # Not c_char_p, of which ctypes makes a copy and loses the address.
    library.evaluate.restype = ctypes.c_void_p
    library.evaluate_free.argtypes = [ctypes.c_void_p]
    library.evaluate_free.restype = None
    return library


if __name__ == "__main__":
    library = load(sys.argv[1])
    try:
        evaluate(library, "throw new Error('caught')")
    except RuntimeError as error:
        assert str(error) == "Error: caught", error
    print(evaluate(library, sys.argv[2]))
