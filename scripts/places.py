"""Where programs and results lie, in the source tree and where `cmake --install` has put this file."""

import os
import pathlib

SHARED = pathlib.Path(__file__).resolve().parents[1]  # holds models/, examples/ and scripts/
INSTALLED = not (SHARED / "CMakeLists.txt").exists()  # then SHARED is PREFIX/share/lpl

PROGRAMS = pathlib.Path(os.environ.get("LPL_BIN") or (SHARED.parents[1] / "bin" if INSTALLED else SHARED / "build/release/bin"))
RESULTS = pathlib.Path("results").absolute() if INSTALLED else SHARED / "results"
