#!/usr/bin/env python3
"""Writes scikit-learn's handwritten digits (8 x 8) as text: a line `label p p p ...` an image, intensities 0..1.

    make_digits.py OUT.txt [--digits 5,6]
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import distribution_python  # noqa: E402,F401

from sklearn.datasets import load_digits  # noqa: E402

from lpl_analysis import output  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    parser.add_argument("--digits", default="5,6", help="comma-separated (default 5,6)")
    options = parser.parse_args()
    try:
        wanted = {int(digit) for digit in options.digits.split(",")}
    except ValueError:
        parser.error(f"--digits {options.digits}: expected numbers separated by commas")
    if not wanted <= set(range(10)):
        parser.error(f"--digits {options.digits}: digits are 0 to 9")
    digits = load_digits()
    lines = [
        f"{label} " + " ".join(f"{p / 16:g}" for p in pixels)
        for label, pixels in zip(digits.target, digits.data)
        if label in wanted
    ]
    content = "\n".join(lines) + "\n"
    try:
        # The same digits again are no loss.
        same = options.out.is_file() and options.out.read_bytes() == content.encode()
        output.check(options.out, overwrite=options.overwrite or same)
        with output.replacing(options.out) as new:
            new.write_text(content)
    except (output.ResultError, OSError) as error:
        parser.error(str(error))
    print(f"{options.out}: {len(lines)} images of 8 x 8 pixels")


if __name__ == "__main__":
    main()
