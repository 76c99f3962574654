# SPDX-License-Identifier: MIT
"""SHA-256 with states that can be taken at piece boundaries, from the standard's text (FIPS
180-4): hashlib exports none. An independent second opinion on what the program computes. About 200
KiB/s, so libcrypto does the bulk where it is there, after it has shown that it does the same."""

import ctypes
import ctypes.util
import functools
import hashlib
import struct

PIECE_MIN = 64 * 1024
PIECE_MAX = 16 * 1024 * 1024
PIECES_AIM = 2048
MASK = 0xFFFFFFFF


def primes(count):
    found = []
    candidate = 2
    while len(found) < count:
        if all(candidate % p for p in found):
            found.append(candidate)
        candidate += 1
    return found


def root_bits(n, power):
    """The first 32 bits of the fraction of the root of n."""
    low, high = 0, n << 32
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle ** power <= n << (32 * power) else (low, middle)
    return low & MASK


K = tuple(root_bits(p, 3) for p in primes(64))
START = tuple(root_bits(p, 2) for p in primes(8))


def compress(state, block):
    w = list(struct.unpack(">16I", block))
    for i in range(16, 64):
        x, y = w[i - 15], w[i - 2]
        s0 = (x >> 7 | x << 25) ^ (x >> 18 | x << 14) ^ x >> 3
        s1 = (y >> 17 | y << 15) ^ (y >> 19 | y << 13) ^ y >> 10
        w.append((w[i - 16] + (s0 & MASK) + w[i - 7] + (s1 & MASK)) & MASK)
    a, b, c, d, e, f, g, h = state
    for k, word in zip(K, w):
        s1 = ((e >> 6 | e << 26) ^ (e >> 11 | e << 21) ^ (e >> 25 | e << 7)) & MASK
        t1 = h + s1 + (e & f ^ ~e & g) + k + word
        s0 = ((a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10)) & MASK
        t2 = s0 + (a & b ^ a & c ^ b & c)
        h, g, f, e, d, c, b, a = g, f, e, (d + t1) & MASK, c, b, a, (t1 + t2) & MASK
    return tuple((x + y) & MASK for x, y in zip(state, (a, b, c, d, e, f, g, h)))


def piece_size(size):
    piece = PIECE_MIN
    while piece < PIECE_MAX and -(-size // piece) > PIECES_AIM:
        piece *= 2
    return piece


def pieces(data):
    """The pieces of a content; an empty one has none."""
    step = piece_size(len(data))
    return [data[i : i + step] for i in range(0, len(data), step)]


def advance_by_hand(state, data):
    for i in range(0, len(data), 64):
        state = compress(state, data[i : i + 64])
    return state


class Context(ctypes.Structure):
    """SHA256_CTX of OpenSSL's sha.h."""

    _fields_ = [("h", ctypes.c_uint32 * 8), ("rest", ctypes.c_uint32 * 20)]


def advance_by_library(state, data):
    context = Context()
    library.SHA256_Init(ctypes.byref(context))
    context.h[:] = state
    library.SHA256_Update(ctypes.byref(context), data, ctypes.c_size_t(len(data)))
    return tuple(context.h)


def load_library():
    """None when it is not there, or is another one."""
    try:
        found = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
        return found if found.SHA256_Init and found.SHA256_Update else None
    except (OSError, AttributeError):
        return None


library = load_library()


def advance(state, data):
    assert len(data) % 64 == 0
    return (advance_by_library if library else advance_by_hand)(state, data)


@functools.lru_cache(maxsize=64)
def chain(data):
    """The states at the inner piece boundaries, as the wire has them."""
    state, out = START, []
    for piece in pieces(data)[:-1]:
        state = advance(state, piece)
        out.append(struct.pack(">8I", *state))
    return b"".join(out)


def chain_id(size, states):
    return hashlib.sha256(struct.pack(">Q", size) + states).hexdigest()[:32]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check_self():
    """The padding written out: the last state of a padded message is its SHA-256."""
    text = b"abc" * 50
    padded = text + b"\x80" + b"\0" * (-(len(text) + 9) % 64) + struct.pack(">Q", 8 * len(text))
    assert struct.pack(">8I", *advance_by_hand(START, padded)).hex() == sha256(text)
    state = advance_by_hand(START, padded)
    assert advance(state, padded * 3) == advance_by_hand(state, padded * 3)


check_self()
