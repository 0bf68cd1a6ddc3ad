#!/usr/bin/env python3
"""Runs a description for all combinations of settings: skips what is done, resumes what was interrupted, makes one table.

    sweep.py examples/invariance.sim --vary rule.lpl.hebbian.strength=0,1 --vary seed=1..5 --jobs 2
    sweep.py examples/invariance.sim --vary seed=1..5 --slurm="--time=1:00:00 --ntasks=16"
    sweep.py a.sim b.sim ...                                      # several descriptions, the same settings

A point of the sweep is a description with one combination of settings. Its files, NAME.h5, NAME.checkpoint and NAME.log,
lie in the sweep's folder; the name depends on the settings and on the content of the description and of all files that it
reads, models too, so what has changed is run anew. The same command again goes on where it was stopped and writes the table of what is complete. SIGTERM, SIGINT and
SIGUSR1 let the runs write a checkpoint and end.

--vary KEY=VALUES   values separated by commas, or a range of integers such as 1..5; KEY as in --set, or seed. Several keys
                    vary together as KEY,KEY=VALUE|VALUE,VALUE|VALUE
--result WHAT       a column of the table: DATASET:first, last, mean, min, max, sum, std or size, such as
                    weights/input_post/pair/value:max, or @ATTRIBUTE of the file, such as @wall_time
LPL_BIN         the folder of the programs, where it is not the one installed with this script, or build/release/bin
Exit status: 0 all points are complete, 1 some failed, 2 misused, 75 interrupted.
"""

import argparse
import csv
import itertools
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import distribution_python  # noqa: E402,F401
import places  # noqa: E402

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from lpl_analysis import identity, output  # noqa: E402

ROOT = places.SHARED
BIN = places.PROGRAMS
PROGRAMS = {".sim": "lpl_sim", ".rate": "lpl_rate"}
REDUCTIONS = {
    "first": lambda values: values.flat[0],
    "last": lambda values: values.flat[-1],
    "mean": np.mean,
    "min": np.min,
    "max": np.max,
    "sum": np.sum,
    "std": np.std,
    "size": np.size,
}
INTERRUPTED = 75


def misused(message):
    print(f"sweep.py: {message}", file=sys.stderr)
    sys.exit(2)


def values_of(text):
    """"0,1" -> ["0", "1"]; "1..3" -> ["1", "2", "3"]."""
    first, dots, last = text.partition("..")
    if dots and first.lstrip("-").isdigit() and last.lstrip("-").isdigit():
        if int(last) < int(first):
            misused(f"--vary ...={text}: the range is empty; write the smaller number first")
        return [str(value) for value in range(int(first), int(last) + 1)]
    return [value.strip() for value in next(csv.reader([text]))]


def axis(text):
    """One --vary: a list of settings (dictionaries)."""
    keys, equals, values = text.partition("=")
    keys = keys.split(",")
    if not equals or not values:
        misused(f"--vary {text}: write KEY=VALUE,VALUE,...")
    settings = []
    for value in values_of(values):
        parts = value.split("|")
        if len(parts) != len(keys):
            misused(f"--vary {text}: '{value}' has {len(parts)} values for {len(keys)} keys")
        settings.append(dict(zip(keys, parts)))
    return settings


def expand(descriptions, axes):
    """All points: name, program, description, settings."""
    points = []
    for description in descriptions:
        if description.suffix not in PROGRAMS:
            misused(f"{description}: the suffix must be one of {', '.join(PROGRAMS)}")
        for combination in itertools.product(*axes):
            settings = {key: value for setting in combination for key, value in setting.items()}
            listed = [f"{key}={value}" for key, value in settings.items()]
            point = {"name": f"{description.stem}-{identity.digest(description, listed)}",
                     "program": PROGRAMS[description.suffix], "description": str(description.resolve()),
                     "settings": settings, "inputs": identity.inputs(description, listed)}
            if any(point["name"] == other["name"] for other in points):
                misused(f"{label(point)}: the sweep has this point twice")
            points.append(point)
    return points


def changed_inputs(point):
    """The files that are no longer what they were when the point was named."""
    listed = [f"{key}={value}" for key, value in point["settings"].items()]
    return identity.changed(point["inputs"], identity.inputs(pathlib.Path(point["description"]), listed))


def status(result):
    """The status of a result file: "" where there is none, or none that can be read."""
    try:
        with h5py.File(result, "r") as file:
            value = file.attrs["status"]
            return value.decode() if isinstance(value, bytes) else str(value)
    except (OSError, KeyError):
        return ""


def command_of(point, folder, launcher, every):
    """The command that runs a point, or goes on with it."""
    checkpoint = folder / f"{point['name']}.checkpoint"
    command = [*launcher, str(BIN / point["program"]), point["description"], "--out", str(folder / f"{point['name']}.h5"),
               "--checkpoint", str(checkpoint), "--checkpoint-every", every, "--progress", "none"]
    for key, value in point["settings"].items():
        command += ["--seed", value] if key == "seed" else ["--set", f"{key}={value}"]
    if checkpoint.exists():
        command += ["--resume", str(checkpoint), "--fall-back"]
    return command


class Runner:
    """Runs points, several at a time, and passes signals on to them."""

    def __init__(self, folder, launcher, every):
        self.folder, self.launcher, self.every = folder, launcher, every
        self.lock, self.running, self.stopping = threading.Lock(), set(), False
        self.failed = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self.stop)

    def stop(self, *_):
        self.stopping = True
        for process in list(self.running):
            process.send_signal(signal.SIGUSR1)

    def run(self, point):
        if self.stopping or status(self.folder / f"{point['name']}.h5") == "complete":
            return
        with open(self.folder / f"{point['name']}.log", "a") as log:
            # A group of its own: Ctrl-C reaches the runs once, through stop().
            process = subprocess.Popen(command_of(point, self.folder, self.launcher, self.every), stdout=log, stderr=log,
                                       start_new_session=True)
            self.running.add(process)
            if self.stopping:
                process.send_signal(signal.SIGUSR1)
            code = process.wait()
            self.running.discard(process)
        if code not in (0, INTERRUPTED) and not self.stopping:
            self.failed.append(point)
            print(f"failed (exit {code}): {label(point)}; see {log.name}", file=sys.stderr)
        elif code == 0:
            print(f"complete: {label(point)}", flush=True)

    def run_all(self, points, jobs):
        remaining = iter(points)

        def work():
            while True:
                with self.lock:
                    point = next(remaining, None)
                if point is None or self.stopping:
                    return
                self.run(point)

        workers = [threading.Thread(target=work) for _ in range(min(jobs, len(points)))]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():  # a plain join would keep signals from being handled
                worker.join(0.2)


def label(point):
    return " ".join([pathlib.Path(point["description"]).stem, *(f"{key}={value}" for key, value in point["settings"].items())])


def result_of(file, what):
    if what.startswith("@"):
        return file.attrs[what[1:]]
    dataset, _, reduction = what.partition(":")
    values = file[dataset][()]
    return REDUCTIONS[reduction](values) if np.size(values) or reduction in ("size", "sum") else float("nan")


def collect(points, folder, results):
    """table.csv and table.h5: a row for every complete point, with its settings and the chosen results. Returns the
    number of rows."""
    keys = sorted({key for point in points for key in point["settings"]})
    header, rows = ["description", *keys, *results, "file"], []
    for point in points:
        path = folder / f"{point['name']}.h5"
        if status(path) != "complete":
            continue
        if changed := changed_inputs(point):
            print(f"left out: {label(point)}: {', '.join(changed)} changed since the sweep began; run it again", file=sys.stderr)
            continue
        with h5py.File(path, "r") as file:
            try:
                found = [float(result_of(file, what)) for what in results]
            except KeyError as error:
                misused(f"--result: {path} has no such object: {error}")
            except (TypeError, ValueError) as error:
                misused(f"--result: {path} holds no number there: {error}")
        rows.append([pathlib.Path(point["description"]).stem, *(point["settings"].get(key, "") for key in keys), *found, path.name])
    with output.replacing(folder / "table.csv") as new, open(new, "w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([header, *rows])
    with output.replacing(folder / "table.h5") as new, h5py.File(new, "w") as table:
        for column, name in enumerate(header):
            cells = [row[column] for row in rows]
            table.create_dataset(name.replace("/", "."), data=cells, dtype=float if name in results else h5py.string_dtype())
    print(f"{len(rows)} of {len(points)} points are complete; {folder / 'table.csv'}, {folder / 'table.h5'}")
    return len(rows)


def submit(points, folder, options):
    """One SLURM array task for each point that is not complete."""
    waiting = [index for index, point in enumerate(points) if status(folder / f"{point['name']}.h5") != "complete"]
    if not waiting:
        return 0
    with output.replacing(folder / "sweep.json") as new:
        new.write_text(json.dumps({"points": points, "every": options.checkpoint_every}, indent=1), encoding="utf-8")
    command = ["sbatch", f"--array={','.join(map(str, waiting))}", *shlex.split(options.slurm), f"--output={folder}/slurm-%A_%a.log",
               str(ROOT / "scripts/slurm/sweep.sbatch"), str(folder)]
    return subprocess.run(command, env=dict(os.environ, LPL_HOME=str(ROOT))).returncode


def run_point(folder, index):
    """Becomes the run of one point of a submitted sweep, on the ranks of this SLURM job."""
    sweep = json.loads((folder / "sweep.json").read_text())
    point = sweep["points"][index]
    if status(folder / f"{point['name']}.h5") == "complete":
        return
    if changed := changed_inputs(point):
        misused(f"{label(point)}: {', '.join(changed)} changed since the sweep was submitted; submit it again")
    launcher = shlex.split(os.environ.get("LPL_LAUNCHER", ""))
    command = command_of(point, folder, launcher, sweep["every"])
    os.execvp(command[0], command)


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"is {text}; it must be a whole number from 1 on")
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__[__doc__.index("--vary KEY"):],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description", nargs="*", type=pathlib.Path, help=".sim or .rate files")
    parser.add_argument("--vary", action="append", default=[], metavar="KEY=VALUES")
    parser.add_argument("--result", action="append", default=[], metavar="WHAT")
    parser.add_argument("--folder", type=pathlib.Path, help="default: results/NAME-sweep")
    parser.add_argument("--jobs", type=positive, default=1, help="runs at a time, on this machine")
    parser.add_argument("--ranks", type=positive, default=1, help="ranks of each run, on this machine")
    parser.add_argument("--slurm", nargs="?", const="", metavar="OPTIONS", help="submit the points as a job array, with these options of sbatch")
    parser.add_argument("--checkpoint-every", default="10min")
    parser.add_argument("--point", type=int, help=argparse.SUPPRESS)  # sweep.sbatch: run this point of --folder
    options = parser.parse_args()
    if options.point is not None:
        return run_point(options.folder, options.point)
    if not options.description:
        parser.error("which description?")
    for what in options.result:
        if not what.startswith("@") and what.partition(":")[2] not in REDUCTIONS:
            misused(f"--result {what}: write DATASET:REDUCTION with one of {', '.join(REDUCTIONS)}")
    for description in options.description:
        if not description.is_file():
            misused(f"{description}: there is no such file")
    folder = (options.folder or places.RESULTS / f"{options.description[0].stem}-sweep").resolve()
    if folder.exists() and not folder.is_dir():
        misused(f"{folder}: is no folder; name another with --folder")
    folder.mkdir(parents=True, exist_ok=True)
    points = expand(options.description, [axis(text) for text in options.vary])
    if options.slurm is not None:
        code = submit(points, folder, options)
        collect(points, folder, options.result)
        return code
    for program in {point["program"] for point in points}:
        if not (BIN / program).is_file():
            misused(f"there is no {BIN / program}; build it, or name the programs' folder with LPL_BIN")
    runner = Runner(folder, ["mpirun", "-n", str(options.ranks)] if options.ranks > 1 else [], options.checkpoint_every)
    runner.run_all(points, options.jobs)
    complete = collect(points, folder, options.result)
    if runner.failed:
        return 1
    return 0 if complete == len(points) else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
