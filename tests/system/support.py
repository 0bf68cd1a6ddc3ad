"""Runs the programs as a user does, and reads what they write."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import distribution_python  # noqa: E402,F401

import h5py  # noqa: E402

LPL_SIM = os.environ.get("LPL_SIM", str(ROOT / "build/release/bin/lpl_sim"))
LPL_RATE = os.environ.get("LPL_RATE", str(ROOT / "build/release/bin/lpl_rate"))
EXAMPLES = ROOT / "examples"
os.environ["LPL_BIN"] = str(pathlib.Path(LPL_SIM).parent)  # for the scripts


def environment():
    allowed = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_mpi_yield_when_idle="1",
                   OMP_WAIT_POLICY="passive")
    if os.geteuid() == 0:
        allowed.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return allowed


def wait_for(condition, process, seconds=60):
    """Whether the condition comes true while the process runs, within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.0005)
    return True


def mpirun(ranks, *command):
    """The command as one run of several ranks."""
    return (["mpirun", "-n", str(ranks)] if ranks > 1 else []) + [str(word) for word in command]


def processes_below(pid):
    """The process and all that descend from it, as process ids."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def ranks_of(launcher):
    """The processes of a run, by rank."""
    found = {}
    for pid in processes_below(launcher):
        try:
            variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile
        found.update({int(word.partition(b"=")[2]): pid for word in variables if word.startswith(b"OMPI_COMM_WORLD_RANK=")})
    return found


def living_below(pid):
    """Those that descend from the process and have not ended, as process ids."""
    return [child for child in processes_below(pid) if child != pid and state_of(child) not in ("Z", None)]


def state_of(pid):
    """The letter of /proc for what a process does; None of one that is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def lpl_sim(*arguments, ranks=1, cwd=None, timeout=120, program=LPL_SIM, **options):
    """Runs lpl_sim, or another such program; returns the completed process with its texts."""
    return subprocess.run(mpirun(ranks, program, *arguments), cwd=cwd, env=environment(), capture_output=True, text=True,
                          timeout=timeout, **options)


def lpl_rate(*arguments, ranks=1, cwd=None, timeout=300, threads=None):
    """Runs lpl_rate; returns the completed process with its texts."""
    variables = environment()
    if threads:
        variables["OMP_NUM_THREADS"] = str(threads)
    return subprocess.run(mpirun(ranks, LPL_RATE, *arguments), cwd=cwd, env=variables, capture_output=True, text=True,
                          timeout=timeout)


def datasets(path):
    """All datasets of a result file but those that name the run, as name -> bytes and shape."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, node: found.update({name: (node.shape, node[()].tobytes() if node.shape else node[()])})
                        if isinstance(node, h5py.Dataset) else None)
    return found


def status(path):
    with h5py.File(path, "r") as file:
        value = file.attrs["status"]
        return value.decode() if isinstance(value, bytes) else value


@contextlib.contextmanager
def small_disk(folder, size):
    """A disk of its own at `folder`, which it creates. Skips the test where mounting is not permitted."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        raise unittest.SkipTest(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


class InFolder(unittest.TestCase):
    """A test with a scratch folder."""

    def setUp(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="lpl-")
        self.folder = pathlib.Path(self._scratch.name)

    def tearDown(self):
        self._scratch.cleanup()

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path
