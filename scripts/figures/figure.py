"""What the figures share: finding the programs, running them once, and putting published values beside ours.

Import it first: it finds the analysis package and the distribution's Python.
"""

import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import distribution_python  # noqa: E402,F401
import places  # noqa: E402

from lpl_analysis import identity, output, shown  # noqa: E402
from lpl_analysis.results import Result, ResultError  # noqa: E402


def options(description):
    """The command line that all figures have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a reduced version, in seconds; its numbers differ")
    parser.add_argument("--out", type=pathlib.Path, default=places.RESULTS / "figures", help="folder of the pictures")
    parser.add_argument("--cache", type=pathlib.Path, default=places.RESULTS / "cache", help="folder of finished runs")
    parser.add_argument("--programs", type=pathlib.Path, default=places.PROGRAMS,
                        help="folder of lpl_sim and lpl_rate")
    return parser


def cached_path(cache, name, description, settings):
    """Where the result of a run is kept: the name carries a digest of all that the run depends on but the program."""
    return cache / f"{name}-{identity.digest(description, settings)}.h5"


def is_complete(path):
    try:
        with Result(path) as result:
            return result.status == "complete"
    except ResultError:
        return False


def run(chosen, description, *settings, name=None, threads=None):
    """The result file of examples/DESCRIPTION under `--set` settings; runs the program unless a finished one exists.
    `threads`: of lpl_rate; tiny networks run best on one."""
    source = ROOT / "examples" / description
    program = {".sim": "lpl_sim", ".rate": "lpl_rate"}[source.suffix]
    path = cached_path(chosen.cache, name or source.stem, source, settings)
    if is_complete(path):
        return path
    chosen.cache.mkdir(parents=True, exist_ok=True)
    arguments = [source, "--out", path, "--progress", "none"]
    execute(chosen, program, arguments + [part for setting in settings for part in ("--set", setting)], threads)
    return path


def activity(chosen, trained, blocks=None):
    """The file of the activity that test images cause in a trained network; of sequences, so many blocks of them."""
    out = trained.with_suffix(f".activity_{blocks}.h5" if blocks else ".activity.h5")
    if not is_complete(out):
        more = ["--set", f"data.test_blocks={blocks}"] if blocks else []
        execute(chosen, "lpl_rate", ["eval", trained, "--activity", "--out", out, *more, "--set", "readout.epochs=1"])
    return out


def layers_of(caused):
    """The layers of a file's /activity, each [image, unit]."""
    return [caused[f"layer_{i + 1}"][()] for i in range(sum(name.startswith("layer_") for name in caused))]


def execute(chosen, program, arguments, threads=None):
    """Runs a program to its end. `threads`: of lpl_rate."""
    command = [str(chosen.programs / program), *map(str, arguments)]
    print("running", " ".join(command), flush=True)
    environment = dict(os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {}))
    if os.geteuid() == 0:
        environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f"there is no {command[0]}; build it (scripts/test.sh) or name its folder with --programs")
    if done.returncode != 0:
        sys.exit(f"{program} ended with status {done.returncode}:\n{done.stderr}")


def last(result, path):
    """The last row of what is measured over epochs."""
    found = result.over_epochs(path)
    if found is None:
        sys.exit(f"{result.path}: has no {path}")
    return found[1][-1]


def by_layer(accuracy):
    """Means over the columns of labels."""
    return accuracy.reshape(len(accuracy), -1).mean(axis=1)


def learned(trained):
    """Accuracy and participation ratio by layer at the end of a training."""
    with Result(trained) as result:
        return by_layer(last(result, "readout/accuracy")), last(result, "metrics/participation_ratio")


def save(chosen, picture, name):
    """Writes NAME.png and NAME.pdf."""
    chosen.out.mkdir(parents=True, exist_ok=True)
    stem = f"{name}_quick" if chosen.quick else name
    for ending in ("png", "pdf"):
        # Without a date the same numbers give the same file.
        metadata = {"CreationDate": None} if ending == "pdf" else None
        with output.replacing(chosen.out / f"{stem}.{ending}") as new:
            picture.savefig(new, dpi=200, metadata=metadata)
    print(f"pictures: {chosen.out / stem}.png, .pdf")


def compare(rows):
    """Prints (what, published or None, ours) lines; ours is NaN where it is undefined."""
    width = max(len(what) for what, _, _ in rows)
    print(f"{'':<{width}} {'published':>10} {'ours':>10}")
    for what, published, ours in rows:
        print(f"{what:<{width}} {'' if published is None else f'{published:.3f}':>10} {shown.number(ours):>10}")
