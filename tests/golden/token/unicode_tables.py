#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes lib/token/unicode_tables.c from unicode_classes.txt (beside this script) on stdout."""
import os
import sys

BITS = {"L": 1, "N": 2, "s": 4, "is_numeric": 8, "w": 16, "nfc_slow": 32, "nfc_unknown": 64}
bits = bytearray(0x110000)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "unicode_classes.txt")) as f:
    for line in f:
        name, _, ranges = (line.rstrip("\n").split("\t") + ["", ""])[:3]
        for r in ranges.split() if name in BITS else ():
            first, last = (r.split("-") + [r])[:2]
            for c in range(int(first, 16), int(last, 16) + 1):
                bits[c] |= BITS[name]

out, start = [], 0
for c in range(1, 0x110001):
    if c == 0x110000 or bits[c] != bits[start]:
        if bits[start]:
            out.append("{0x%X,0x%X,%d}" % (start, c - 1, bits[start]))
        start = c
sys.stdout.write("""/* SPDX-License-Identifier: Apache-2.0 */
/* Generated: python3 tests/golden/token/unicode_tables.py >lib/token/unicode_tables.c */
/* clang-format off */
#include "token/unicode.h"

const size_t unicode_n_ranges = %d;
const struct unicode_range unicode_ranges[] = {
""" % len(out))
line = ""
for r in out:
    if len(line) + len(r) > 98:
        print(line)
        line = ""
    line += r + ","
print(line + "\n};")
