"""A client of layoutd for Python, over ctypes: nothing to build, only liblayoutclient.so.0 has to be found.

The buffer of a mapping is a memoryview: slices of it read and write the file. A recall takes the bytes back behind its
back, and the next touch asks for them again. Python's own locks are of no concern: the library's threads need none.
"""

import ctypes
import mmap
import os

_MAP_FAILED = ctypes.c_void_p(-1).value
LL_MAP_FOLLOW_CONTENT = 0x40000000
FALLOC_FL_KEEP_SIZE = 0x01
FALLOC_FL_PUNCH_HOLE = 0x02
FALLOC_FL_COLLAPSE_RANGE = 0x08
FALLOC_FL_ZERO_RANGE = 0x10
FALLOC_FL_INSERT_RANGE = 0x20


class Recall(ctypes.Structure):
    """struct ll_recall: somebody wants to change a file, and its bytes are asked back."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("path", ctypes.c_char_p),
        ("operation", ctypes.c_uint32),
        ("requester_pid", ctypes.c_uint32),
        ("requester", ctypes.c_char_p),
        ("offset", ctypes.c_uint64),
        ("end", ctypes.c_uint64),
        ("argument_offset", ctypes.c_uint64),
        ("argument_end", ctypes.c_uint64),
        ("milliseconds_left", ctypes.c_uint64),
    ]


_RecallCallback = ctypes.CFUNCTYPE(None, ctypes.POINTER(Recall), ctypes.c_void_p)
_HANDLE, _INT, _SIZE, _OFFSET = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_int64
_SIGNATURES = {
    "ll_error_detail": (ctypes.c_char_p,),
    "ll_connect": (_HANDLE, ctypes.c_char_p, ctypes.c_void_p),
    "ll_disconnect": (_INT, _HANDLE),
    "ll_on_recall": (_INT, _HANDLE, _RecallCallback, ctypes.c_void_p),
    "ll_open": (_HANDLE, _HANDLE, ctypes.c_char_p, _INT, ctypes.c_uint32),
    "ll_close": (_INT, _HANDLE),
    "ll_pread": (ctypes.c_ssize_t, _HANDLE, ctypes.c_void_p, _SIZE, _OFFSET),
    "ll_pwrite": (ctypes.c_ssize_t, _HANDLE, ctypes.c_void_p, _SIZE, _OFFSET),
    "ll_ftruncate": (_INT, _HANDLE, _OFFSET),
    "ll_fallocate": (_INT, _HANDLE, _INT, _OFFSET, _OFFSET),
    "ll_fsync": (_INT, _HANDLE),
    "ll_mmap": (ctypes.c_void_p, ctypes.c_void_p, _SIZE, _INT, _INT, _HANDLE, _OFFSET),
    "ll_munmap": (_INT, ctypes.c_void_p, _SIZE),
}


def _load():
    library = ctypes.CDLL(os.environ.get("LAYOUTCLIENT_LIBRARY", "liblayoutclient.so.0"), use_errno=True)
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_library = _load()


def _checked(result, failed=-1):
    if result == failed:
        number = ctypes.get_errno()
        raise OSError(number, _library.ll_error_detail().decode() or os.strerror(number))
    return result


class _Closed:
    """What is closed at the end of a `with`."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client(_Closed):
    """A connection to a server; a context manager."""

    def __init__(self, url):
        self._handle = _checked(_library.ll_connect(url.encode(), None), None)
        self._callback = None

    def close(self):
        if self._handle is not None:
            handle, self._handle = self._handle, None
            _checked(_library.ll_disconnect(handle))

    def open(self, path, flags=os.O_RDONLY, mode=0o666):
        return File(_checked(_library.ll_open(self._handle, os.fsencode(path), flags, mode), None))

    def on_recall(self, function):
        """Has `function(recall)` called for each recall, on a thread of the library's."""
        # Kept for as long as the library may call it.
        callback = _RecallCallback(lambda recall, _: function(recall.contents))
        _checked(_library.ll_on_recall(self._handle, callback, None))
        self._callback = callback


class File(_Closed):
    """An open file; a context manager."""

    def __init__(self, handle):
        self._handle = handle

    def close(self):
        if self._handle is not None:
            handle, self._handle = self._handle, None
            _checked(_library.ll_close(handle))

    def pread(self, count, offset):
        buffer = ctypes.create_string_buffer(max(count, 1))
        done = _checked(_library.ll_pread(self._handle, buffer, count, offset))
        return buffer.raw[:done]

    def pwrite(self, data, offset):
        return _checked(_library.ll_pwrite(self._handle, bytes(data), len(data), offset))

    def truncate(self, size):
        _checked(_library.ll_ftruncate(self._handle, size))

    def fallocate(self, mode, offset, length):
        _checked(_library.ll_fallocate(self._handle, mode, offset, length))

    def fsync(self):
        _checked(_library.ll_fsync(self._handle))

    def map(self, offset, length, writable=False, follow_content=False):
        return Mapping(self._handle, offset, length, writable, follow_content)


class Mapping(_Closed):
    """Mapped bytes of a file; a context manager. `view` is a memoryview of them."""

    def __init__(self, handle, offset, length, writable, follow_content):
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        flags = mmap.MAP_SHARED | (LL_MAP_FOLLOW_CONTENT if follow_content else 0)
        self._length = length
        self._address = _checked(_library.ll_mmap(None, length, protection, flags, handle, offset), _MAP_FAILED)
        view = memoryview((ctypes.c_ubyte * length).from_address(self._address)).cast("B")
        self.view = view if writable else view.toreadonly()

    def close(self):
        """Ends the mapping. The view, and what was sliced from it, must not be used any more."""
        if self._address is not None:
            self.view.release()
            address, self._address = self._address, None
            _checked(_library.ll_munmap(address, self._length))

