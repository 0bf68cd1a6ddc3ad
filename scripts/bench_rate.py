#!/usr/bin/env python3
"""Times one layer-local training step of VGG-11 in lpl_rate and in a plain PyTorch transcription, in turn.

    bench_rate.py [--repeats N] [--batch N] [--threads N] [--json FILE] [--lpl-rate PATH] [--no-torch]
    bench_rate.py --device cuda [--images N] [--repeats N] [--batch N] [--json FILE] [--lpl-rate PATH]

Both do the same: 32 x 32 images, two views, eight blocks that each learn from their own loss, Adam. Prints medians of
the repeats, ratios to PyTorch measured beside them, and the peak memory of each process. "augmented" is the float32
step with two augmented views made for it, where the other steps are given theirs.
With --device: an epoch of --images images (50,000 as of CIFAR-10, batches of 1024), two augmented views of each made on
the way, on that device; medians of the epochs after the second, which has recorded its last batch.
PyTorch is the distribution's python3-torch; it is fastest with OpenBLAS (libopenblas0-pthread) as BLAS.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import distribution_python  # noqa: E402,F401

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from lpl_analysis import output, shown  # noqa: E402

STEPS = 3  # of a timed epoch

TORCH = """
import resource, sys, time
import torch
import torch.nn.functional as F
batch, threads, steps = (int(a) for a in sys.argv[1:4])
torch.set_num_threads(threads)
torch.manual_seed(1)
channels = [3, 64, 128, 256, 256, 512, 512, 512, 512]
pools = [True, True, False, True, False, True, False, True]
convolutions = [torch.nn.Conv2d(a, b, 3, padding=1) for a, b in zip(channels, channels[1:])]
decayed = [c.weight for c in convolutions]
exempt = [c.bias for c in convolutions]
adam = torch.optim.Adam([{"params": decayed, "weight_decay": 1.5e-6}, {"params": exempt}], lr=1e-3)
views = torch.randn(2, batch, 3, 32, 32)

def hooks(x):
    found = []
    for convolution, pool in zip(convolutions, pools):
        x = F.relu(convolution(x), inplace=True)
        if pool:
            x = F.max_pool2d(x, 2)
        found.append(x.mean((2, 3)))
        x = x.detach()
    return found

def push(z):
    centred = z - z.mean(0).detach()
    return -torch.log((centred ** 2).sum(0) / (len(z) - 1) + 1e-4).mean()

def decorrelation(z):
    centred = z - z.mean(0).detach()
    covariance = (centred.T @ centred).fill_diagonal_(0) / (len(z) - 1)
    return (covariance ** 2).sum() / (z.shape[1] ** 2 - z.shape[1])

def step():
    adam.zero_grad()
    loss = 0
    for a, b in zip(hooks(views[0]), hooks(views[1])):
        loss = loss + F.mse_loss(a, b) + 0.5 * (push(a) + push(b)) + 10 * 0.5 * (decorrelation(a) + decorrelation(b))
    loss.backward()
    adam.step()

step()
start = time.perf_counter()
for _ in range(steps):
    step()
print((time.perf_counter() - start) / steps, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_batch(path, batch):
    generator = np.random.default_rng(1)
    with h5py.File(path, "w") as out:
        for view in ("img_1", "img_2"):
            out[f"batches/{view}"] = generator.standard_normal((1, batch, 3, 32, 32)).astype(np.float32)
        out["batches/labels"] = np.zeros((1, batch), np.int64)
        out["batches/order"] = np.zeros(STEPS, np.int64)


def write_cifar(folder, images):
    """Random images in CIFAR-10's format: an epoch of `images` after the validation fifth is cut off."""
    generator = np.random.default_rng(2)
    records = generator.integers(0, 256, (images // 4, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        records.tofile(folder / name)


def description(batch, precision, data, epochs):
    return f"""
[training]
batch = {batch}
epochs = {epochs}
precision = "{precision}"
[network]
net = "vgg11"
[learning]
rule = "lpl"
[optimizer]
schedule = "constant"
[readout]
wanted = false
[data]
{data}
"""


def environment(threads):
    return dict(os.environ, OMP_NUM_THREADS=str(threads), OMPI_ALLOW_RUN_AS_ROOT="1",
                OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


GIVEN = 'set = "batches"\nfile = "batch.h5"'
AUGMENTED = 'set = "cifar10"\nfolder = "."'


def run(command, **options):
    """What it prints; ends with what it says where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stderr.rstrip()}")
    return done.stdout


def train(args, folder, precision, data, epochs, device):
    """Images a second by epoch, and what lpl_rate printed."""
    path = folder / f"{precision}.rate"
    path.write_text(description(args.batch, precision, data, epochs))
    command = [str(args.lpl_rate.resolve()), str(path), "--out", str(folder / "out.h5"), "--overwrite", "--progress", "none",
               "--device", device]
    printed = run(command, cwd=folder, env=environment(args.threads))
    with h5py.File(folder / "out.h5", "r") as result:
        return result["training/images_per_second"][()], printed


def run_ours(args, folder, precision, data=GIVEN):
    """Seconds a step and peak memory in MiB."""
    speed, printed = train(args, folder, precision, data, 2, "cpu")
    memory = float(next(line.split()[2] for line in printed.splitlines() if line.startswith("peak memory")))
    return args.batch / float(speed[1]), memory


def time_epochs(args, folder):
    """On a device: by precision, seconds of each epoch after the second."""
    write_cifar(folder, args.images)
    seconds = {}
    for precision in ("float32", "bf16"):
        speed, printed = train(args, folder, precision, AUGMENTED, 2 + args.repeats, args.device)
        seconds[precision] = [args.images / float(s) for s in speed[2:]]
        print(next((line for line in printed.splitlines() if line.startswith("device")), args.device))
    return seconds


def run_torch(args):
    printed = run(["/usr/bin/python3", "-c", TORCH, str(args.batch), str(args.threads), str(STEPS)],
                  env=environment(args.threads))
    seconds, memory = (float(word) for word in printed.split())
    return seconds, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--device")
    parser.add_argument("--images", type=int, default=50000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=output.replaceable)
    parser.add_argument("--lpl-rate", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "lpl_rate")
    parser.add_argument("--no-torch", action="store_true")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error(f"--repeats is {args.repeats}; at least 1")
    args.batch = args.batch or (1024 if args.device else 64)
    with tempfile.TemporaryDirectory() as name:
        if args.device:
            bench_epochs(args, pathlib.Path(name))
        else:
            bench_steps(args, pathlib.Path(name))


def bench_epochs(args, folder):
    epochs = time_epochs(args, folder)
    print(f"{'':<10} {'s/epoch':>8} {'fastest':>8} {'slowest':>8}")
    for precision, seconds in epochs.items():
        print(f"{precision:<10} {statistics.median(seconds):8.3f} {min(seconds):8.3f} {max(seconds):8.3f}")
    if args.json:
        output.write_json(args.json, {"device": args.device, "images": args.images, "batch": args.batch, "epoch_s": epochs})


def bench_steps(args, folder):
    runs = {"float32": [], "bf16": [], "augmented": [], "torch": []}
    write_batch(folder / "batch.h5", args.batch)
    write_cifar(folder, args.batch * STEPS)
    for _ in range(args.repeats):
        for precision in ("float32", "bf16"):
            runs[precision].append(run_ours(args, folder, precision))
        runs["augmented"].append(run_ours(args, folder, "float32", AUGMENTED))
        if not args.no_torch:
            runs["torch"].append(run_torch(args))
    table = {}
    for name, results in runs.items():
        if not results:
            continue
        seconds = [result[0] for result in results]
        table[name] = {"step_s": statistics.median(seconds), "slowest_s": max(seconds), "fastest_s": min(seconds),
                       "peak_memory_mib": statistics.median(result[1] for result in results)}
    if "torch" in table:
        for name in ("float32", "bf16", "augmented"):
            ratios = [theirs[0] / ours[0] for ours, theirs in zip(runs[name], runs["torch"])]
            table[name]["times_torch"] = statistics.median(ratios)
            table[name]["memory_ratio"] = table[name]["peak_memory_mib"] / table["torch"]["peak_memory_mib"]
    print(f"{'':<10} {'s/step':>8} {'fastest':>8} {'slowest':>8} {'MiB':>8} {'x torch':>8} {'memory':>8}")
    for name, row in table.items():
        print(f"{name:<10} {row['step_s']:8.3f} {row['fastest_s']:8.3f} {row['slowest_s']:8.3f} {row['peak_memory_mib']:8.0f} "
              f"{shown.number(row.get('times_torch'), 2):>8} {shown.number(row.get('memory_ratio'), 2):>8}")
    if args.json:
        output.write_json(args.json, {"batch": args.batch, "threads": args.threads, "repeats": args.repeats,
                                      "results": table})


if __name__ == "__main__":
    main()
