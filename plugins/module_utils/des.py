# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DES, one block at a time, for VNC authentication only: it is no protection against anybody who listens."""

from __future__ import annotations

from typing import List, Sequence

BLOCK = 8

# FIPS 46-3. Positions count from 1, from the left.
_IP = tuple(start + 8 * column for start in (58, 60, 62, 64, 57, 59, 61, 63) for column in range(0, -8, -1))
_FP = tuple(start + step for start in range(40, 32, -1) for step in (0, -32, 8, -24, 16, -16, 24, -8))
_E = tuple((start + offset - 1) % 32 + 1 for start in range(0, 32, 4) for offset in range(6))
_P = (
    16,
    7,
    20,
    21,
    29,
    12,
    28,
    17,
    1,
    15,
    23,
    26,
    5,
    18,
    31,
    10,
    2,
    8,
    24,
    14,
    32,
    27,
    3,
    9,
    19,
    13,
    30,
    6,
    22,
    11,
    4,
    25,
)
_PC1 = (
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)  # fmt: skip
_PC2 = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)  # fmt: skip
_SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
# Each box: its four rows of sixteen, as hexadecimal digits.
_BOXES = (
    ("e4d12fb83a6c5907", "0f74e2d1a6cb9538", "41e8d62bfc973a50", "fc8249175b3ea06d"),
    ("f18e6b34972dc05a", "3d47f28ec01a69b5", "0e7ba4d158c6932f", "d8a13f42b67c05e9"),
    ("a09e63f51dc7b428", "d709346a285ecbf1", "d6498f30b12c5ae7", "1ad069874fe3b52c"),
    ("7de3069a1285bc4f", "d8b56f03472c1ae9", "a690cb7df13e5284", "3f06a1d8945bc72e"),
    ("2c417ab6853fd0e9", "eb2c47d150fa3986", "421bad78f9c5630e", "b8c71e2d6f09a453"),
    ("c1af92680d34e75b", "af427c9561de0b38", "9ef528c3704a1db6", "432c95fabe17608d"),
    ("4b2ef08d3c975a61", "d0b7491ae35c2f86", "14bdc37eaf680592", "6bd814a7950fe23c"),
    ("d2846fb1a93e50c7", "1fd8a374c56b0e92", "7b419ce206adf358", "21e74a8dfc90356b"),
)


def encrypt(key: bytes, block: bytes) -> bytes:
    """One block of eight bytes, with a key of eight bytes whose parity bits do not count."""
    if len(key) != BLOCK or len(block) != BLOCK:
        raise ValueError("DES takes a key and a block of eight bytes")
    bits = _chosen(_bits(block), _IP)
    left, right = bits[:32], bits[32:]
    for round_key in _round_keys(key):
        left, right = right, _mixed(left, _scrambled(right, round_key))
    return _bytes(_chosen(right + left, _FP))


def _bits(data: bytes) -> List[int]:
    return [byte >> shift & 1 for byte in data for shift in range(7, -1, -1)]


def _bytes(bits: Sequence[int]) -> bytes:
    return bytes(int("".join(map(str, bits[start : start + 8])), 2) for start in range(0, len(bits), 8))


def _chosen(bits: Sequence[int], positions: Sequence[int]) -> List[int]:
    return [bits[position - 1] for position in positions]


def _mixed(one: Sequence[int], other: Sequence[int]) -> List[int]:
    return [left ^ right for left, right in zip(one, other)]


def _round_keys(key: bytes) -> List[List[int]]:
    bits = _chosen(_bits(key), _PC1)
    left, right = bits[:28], bits[28:]
    keys = []
    for shift in _SHIFTS:
        left, right = left[shift:] + left[:shift], right[shift:] + right[:shift]
        keys.append(_chosen(left + right, _PC2))
    return keys


def _scrambled(half: Sequence[int], round_key: Sequence[int]) -> List[int]:
    mixed = _mixed(_chosen(half, _E), round_key)
    bits: List[int] = []
    for number, box in enumerate(_BOXES):
        first, *middle, last = mixed[6 * number : 6 * number + 6]
        column = middle[0] << 3 | middle[1] << 2 | middle[2] << 1 | middle[3]
        value = int(box[first << 1 | last][column], 16)
        bits.extend(value >> shift & 1 for shift in (3, 2, 1, 0))
    return _chosen(bits, _P)
