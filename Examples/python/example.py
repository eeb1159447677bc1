#!/usr/bin/env python3
"""Keeps a view of a record of a file while somebody else moves the file's bytes.

    LAYOUTCLIENT_LIBRARY=/usr/local/lib/liblayoutclient.so.0 example.py layout+unix:///run/layoutd.sock FILE
"""

import os
import sys
import threading

from layoutclient import FALLOC_FL_INSERT_RANGE, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, Client

MIB = 1 << 20


def main(url, path):
    asked_back = threading.Event()
    with Client(url) as client, Client(url) as other:
        client.on_recall(lambda recall: asked_back.set())
        with client.open(path, os.O_RDWR | os.O_CREAT) as file, other.open(path, os.O_RDWR) as same:
            file.truncate(MIB)
            file.pwrite(b"hello", 8192)
            with file.map(8192, 4096, writable=True, follow_content=True) as mapping:
                view = mapping.view
                assert bytes(view[:5]) == b"hello"
                # All bytes move up by 1 MiB; the view shows the same record.
                same.fallocate(FALLOC_FL_INSERT_RANGE, 0, MIB)
                assert bytes(view[:5]) == b"hello"
                view[:5] = b"HELLO"
                assert same.pread(5, MIB + 8192) == b"HELLO"
                assert asked_back.wait(10), "no recall was told of"
            same.fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB + 8192, 4096)
            assert file.pread(5, MIB + 8192) == bytes(5)
            file.fsync()
        try:
            client.open("no such file")
        except OSError as error:
            print(f"as it should be: {error.strerror}")
        else:
            raise AssertionError("a file that is not there was opened")
    print("the view showed the same record all the time")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
