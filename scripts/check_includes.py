#!/usr/bin/env python3
"""Checks the arrows between the rooms: who may include whom, and that foreign libraries stay in their room."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
MAY_USE = {
    "core": set(),
    "comm": {"core"},
    "config": {"core"},
    "rule": {"core", "config"},
    "io": {"core", "comm"},
    "spiking": {"core", "comm", "config", "rule", "io"},
    "rate": {"core", "comm", "config", "rule", "io"},
}
# The folders that may include a foreign library.
OWNED = {r"mpi\.h|boost/mpi": ["comm"], r"boost/(archive|serialization)": ["io"], r"hdf5|H5": ["io"],
         r"toml\+\+": ["config"], r"hwy/": ["spiking", "rate"],
         r"Eigen/": ["rate"], r"nlohmann/": ["io"], r"cuda|cublas|cudnn|nccl": ["rate/cuda"]}
SUFFIXES = {".hpp", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def problems():
    for path in sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in SUFFIXES):
        folder = path.parent.relative_to(ROOT / "src").as_posix() + "/"
        room = folder.split("/")[0]
        lines = path.read_text(encoding="utf-8").splitlines()
        includes = [match.group(1) for match in map(INCLUDE.match, lines) if match]
        if path.suffix in (".cpp", ".cu") and path.with_suffix(".hpp").exists():
            own = path.relative_to(ROOT / "src").with_suffix(".hpp").as_posix()
            if not includes or includes[0] != own:
                yield f"{path}: must include its own header, {own}, first"
        for include in includes:
            other = include.split("/")[0]
            if other in MAY_USE and other != room and other not in MAY_USE[room]:
                yield f"{path}: room {room} may not use {other} ({include})"
            for pattern, owners in OWNED.items():
                if re.match(pattern, include) and not any(folder.startswith(owner + "/") for owner in owners):
                    yield f"{path}: only {' and '.join(owners)} may include {include}"


def main():
    found = list(problems())
    print("\n".join(found) if found else "includes follow the architecture")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
