#!/usr/bin/env python3
"""Compares all datasets of two result files bit by bit.

    same_bits.py A.h5 B.h5

Prints the datasets that differ; exits 0 (none), 1 (some) or 2 (misused).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from support import datasets  # noqa: E402


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    first, second = (datasets(path) for path in sys.argv[1:])
    differing = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    for name in differing:
        print(f"{name} differs")
    print(f"{len(differing)} of {len(first)} datasets differ")
    return 1 if differing or not first else 0


if __name__ == "__main__":
    sys.exit(main())
