"""`python -m benchmarks.checksums`."""

from __future__ import annotations

import time
import zlib

from benchmarks.checksums import watched
from mimamo import tensor_file


def test_what_checksums_take_is_told_apart():
    with watched() as spent:
        tensor_file.checksum({}, {}, lambda _: [])
        time.sleep(0.05)
    assert 0 < spent.checksums < 0.05 <= spent.whole
    assert str(spent).endswith("%")
    before = spent.checksums
    assert tensor_file.checksum({}, {}, lambda _: []) == zlib.crc32(b"{}")
    assert spent.checksums == before
