"""BLAKE2b of many short texts at once, compiled: hashlib takes an object and three calls for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any  # a numpy array; numba knows its type

#: RFC 7693, section 2.6: the initial state.
_IV = np.array(
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    np.uint64,
)  # fmt: skip

#: Section 2.7: the order of message words in each of 12 rounds.
_SIGMA = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    ],
    np.uint8,
)

#: Bytes of a block, and the first word of the parameters: no key, digests of 8 bytes.
_BLOCK, _PARAMETERS = 128, np.uint64(0x01010008)


@njit(cache=True)  # type: ignore[untyped-decorator]
def blake2b(data: Array, offsets: Array) -> Array:
    """[n] the first 8 bytes of BLAKE2b with digests of 8 bytes, of `data[offsets[i] : offsets[i + 1]]`."""
    digests = np.empty(len(offsets) - 1, np.uint64)
    state, m, v = np.empty(8, np.uint64), np.empty(16, np.uint64), np.empty(16, np.uint64)
    for i in range(len(digests)):
        start, length = offsets[i], offsets[i + 1] - offsets[i]
        state[:] = _IV
        state[0] ^= _PARAMETERS
        done = 0
        while True:
            stop = min(done + _BLOCK, length)
            m[:] = 0
            for j in range(done, stop):
                m[(j - done) >> 3] |= np.uint64(data[start + j]) << np.uint64(8 * (j & 7))
            v[:8] = state
            v[8:] = _IV
            v[12] ^= np.uint64(stop)
            if stop == length:
                v[14] = ~v[14]
            for r in range(12):
                s = _SIGMA[r]
                _mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]])
                _mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]])
                _mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]])
                _mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]])
                _mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]])
                _mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]])
                _mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]])
                _mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]])
            for k in range(8):
                state[k] ^= v[k] ^ v[k + 8]
            done = stop
            if done == length:
                break
        digests[i] = state[0]
    return digests


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _mix(v: Array, a: int, b: int, c: int, d: int, x: Any, y: Any) -> None:
    """Section 3.1: the mixing function G."""
    v[a] = v[a] + v[b] + x
    v[d] = _right(v[d] ^ v[a], 32)
    v[c] = v[c] + v[d]
    v[b] = _right(v[b] ^ v[c], 24)
    v[a] = v[a] + v[b] + y
    v[d] = _right(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d]
    v[b] = _right(v[b] ^ v[c], 63)


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _right(word: Any, by: int) -> Any:
    return (word >> np.uint64(by)) | (word << np.uint64(64 - by))
