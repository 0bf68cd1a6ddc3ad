"""What `cmake --install` puts down: it runs from wherever it has been moved to, and its pages say what --help says."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from support import LPL_SIM, datasets, environment, h5py, lpl_sim, mpirun

BUILD = pathlib.Path(LPL_SIM).parents[1]
NETWORK = """[simulation]
seed = 1
[[population]]
name = "exc"
cell = "odd"
size = 3
[[phase]]
name = "run"
duration = "0.1 s"
[[record]]
what = "spikes"
of = "exc"
"""


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._scratch = tempfile.TemporaryDirectory(prefix="lpl-")
        scratch = pathlib.Path(cls._scratch.name).resolve()
        subprocess.run(["cmake", "--install", BUILD, "--prefix", scratch / "before"], check=True, capture_output=True)
        cls.prefix = scratch / "moved" / "to here"
        cls.prefix.parent.mkdir()
        (scratch / "before").rename(cls.prefix)
        cls.examples = cls.prefix / "share/lpl/examples"
        cls.models = cls.prefix / "share/lpl/models"

    @classmethod
    def tearDownClass(cls):
        cls._scratch.cleanup()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self._scratch.name))

    def run_installed(self, program, *arguments, ranks=1, **variables):
        """Runs PREFIX/bin/PROGRAM in a folder of its own, in an environment that knows nothing of the source tree."""
        known = {name: value for name, value in environment().items() if not name.startswith("LPL_")}
        return subprocess.run(mpirun(ranks, self.prefix / "bin" / program, *arguments), cwd=self.folder,
                              env=dict(known, **variables), capture_output=True, text=True, timeout=300)

    def check(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def odd_cell(self, folder, jump):
        """A cell that only `folder` has."""
        folder.mkdir(exist_ok=True)
        text = (self.models / "if.cell").read_text()
        (folder / "odd.cell").write_text(text.replace('"100 mV"', f'"{jump}"', 1))
        self.addCleanup((folder / "odd.cell").unlink)


class Programs(Installed):
    def test_examples_are_checked(self):
        self.check(self.run_installed("lpl_sim", self.examples / "minimal.sim", "--check"))
        self.check(self.run_installed("lpl_rate", self.examples / "clusters2d.rate", "--check"))

    def test_a_run_equals_that_of_the_build_tree(self):
        for ranks in (1, 2):
            self.check(self.run_installed("lpl_sim", self.examples / "minimal.sim", ranks=ranks))
            self.assertEqual(lpl_sim(self.examples / "minimal.sim", "--out", self.folder / "build.h5").returncode, 0)
            self.assertEqual(datasets(self.folder / "minimal.h5"), datasets(self.folder / "build.h5"))
            for path in self.folder.glob("*.h5"):
                path.unlink()

    def test_a_training(self):
        self.check(self.run_installed("lpl_rate", self.examples / "clusters2d.rate", "--set", "training.steps=5",
                                      OMP_NUM_THREADS="1"))
        self.assertTrue((self.folder / "clusters2d.h5").exists())

    def test_models_are_those_installed_with_the_program(self):
        network = self.folder / "n.sim"
        network.write_text(NETWORK)
        self.odd_cell(self.models, "71 mV")
        self.check(self.run_installed("lpl_sim", network))
        with self.subTest("LPL_MODELS comes first"):
            other = self.folder / "models"
            self.odd_cell(other, "72 mV")
            self.check(self.run_installed("lpl_sim", network, "--out", "other.h5", LPL_MODELS=str(other)))
        for name, jump in (("n.h5", "71 mV"), ("other.h5", "72 mV")):
            with h5py.File(self.folder / name, "r") as file:
                self.assertIn(jump, file["/config/description"][()].decode())
        with self.subTest("a link to the program"):
            (self.folder / "link").symlink_to(self.prefix / "bin/lpl_sim")
            done = subprocess.run([self.folder / "link", network, "--check"], cwd=self.folder, env=environment(),
                                  capture_output=True, text=True, timeout=100)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_missing_model_names_the_folder_that_was_searched(self):
        network = self.folder / "n.sim"
        network.write_text(NETWORK)
        for ranks in (1, 2):
            done = self.run_installed("lpl_sim", network, ranks=ranks)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"n.sim:5:8: population 'exc': there is no cell 'odd': neither a table [cell.odd] here, nor a "
                          f"file odd.cell beside the description or in {self.models}", done.stderr)


class Scripts(Installed):
    def test_lpl(self):
        self.check(self.run_installed("lpl_sim", self.examples / "minimal.sim"))
        self.assertIn("lpl_sim", self.check(self.run_installed("lpl", "info", "minimal.h5")))
        self.assertIn("lpl info RESULT.h5", self.check(self.run_installed("lpl", "--help")))

    def test_a_sweep_finds_the_programs_and_writes_here(self):
        self.check(self.run_installed("lpl_sweep", self.examples / "minimal.sim", "--vary", "seed=1,2"))
        table = (self.folder / "results/minimal-sweep/table.csv").read_text()
        self.assertEqual(table.count("\n"), 3)

    def test_the_package_is_importable(self):
        code = "import lpl_analysis.results; print(lpl_analysis.__file__)"
        done = subprocess.run([sys.executable, "-c", code], cwd=self.folder, capture_output=True, text=True,
                              env=dict(os.environ, PYTHONPATH=str(self.prefix / "share/lpl/scripts")))
        self.assertIn(str(self.prefix), self.check(done))

    def test_a_figure_finds_programs_and_examples(self):
        self.check(self.run_installed("../share/lpl/scripts/figures/fig6.py", "--help"))


class Pages(Installed):
    HELP = {"lpl_sim": [[]], "lpl_rate": [[], ["eval"], ["import"]]}

    def options_in_help(self, program):
        texts = [self.check(self.run_installed(program, *words, "--help")) for words in self.HELP[program]]
        return {name for text in texts for name in re.findall(r"^ +(?:-\w, *)?(--[\w-]+)", text, re.MULTILINE)}

    def test_manual_pages_list_the_options_of_the_programs(self):
        for program in self.HELP:
            page = (self.prefix / f"share/man/man1/{program}.1").read_text()
            heads = [line for line, before in zip(page.splitlines()[1:], page.splitlines()) if before == ".TP"]
            found = {name.replace("\\", "") for head in heads for name in re.findall(r"\\fB(\\-\\-[\w\\-]+)\\fR", head)}
            self.assertEqual(found, self.options_in_help(program))
            self.assertGreater(len(found), 10)
            for head in heads:
                self.assertNotRegex(head, "Needs|Excludes")
            version = self.check(self.run_installed(program, "--version")).split()[1]
            self.assertIn(f'"lpl {version}"', page.splitlines()[0])

    def test_manual_pages_are_well_formed(self):
        if not shutil.which("groff"):
            self.skipTest("there is no groff")
        for program in self.HELP:
            path = self.prefix / f"share/man/man1/{program}.1"
            done = subprocess.run(["groff", "-man", "-Tascii", "-ww", path], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def completion(self, *words):
        """What bash offers for the last of `words`."""
        file = self.prefix / "share/bash-completion/completions" / words[0]
        script = f"""source '{file}'; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _{words[0]}; printf '%s\\n' "${{COMPREPLY[@]}}" """
        done = subprocess.run(["bash", "-c", script, "bash", *words], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_bash_completes_options(self):
        self.assertEqual(self.completion("lpl_sim", "--check"),
                         {"--check", "--checkpoint", "--checkpoint-every", "--checkpoint-model-time"})
        self.assertEqual(self.completion("lpl_sim", "a.sim", "--"), self.options_in_help("lpl_sim"))
        self.assertEqual(self.completion("lpl_rate", "--") | self.completion("lpl_rate", "eval", "--") |
                         self.completion("lpl_rate", "import", "--"),
                         self.options_in_help("lpl_rate"))
        self.assertEqual(self.completion("lpl_rate", "--act"), set())
        self.assertEqual(self.completion("lpl_rate", "eval", "--act"), {"--activity"})

    def test_bash_completes_values_and_files(self):
        files = {"my_network.sim", "my_training.rate", "my_result.h5", "my_notes.txt", "my_digits-idx3-ubyte.gz"}
        for name in files:
            (self.folder / name).touch()
        (self.folder / "my_folder").mkdir()
        for words in (("--progress", ""), ("--progress", "="), ("--progress", "=", "")):
            self.assertEqual(self.completion("lpl_sim", *words), {"auto", "bar", "lines", "none"})
        self.assertEqual(self.completion("lpl_sim", "--progress", "=", "b"), {"bar"})
        self.assertEqual(self.completion("lpl_rate", "import", "--progress", "b"), {"bar"})
        self.assertEqual(self.completion("lpl_rate", "eval", "--device", ""), {"cpu", "cuda"})
        self.assertEqual(self.completion("lpl_sim", "my_"), {"my_network.sim", "my_folder"})
        self.assertEqual(self.completion("lpl_rate", "my_"), {"my_training.rate", "my_folder"})
        self.assertEqual(self.completion("lpl_rate", "eval", "my_"), {"my_result.h5", "my_training.rate", "my_folder"})
        self.assertEqual(self.completion("lpl_rate", "eval", "--activity", "="), {"training", "validation", "test"})
        self.assertEqual(self.completion("lpl_rate", "eval", "--activity", "=", "v"), {"validation"})
        self.assertEqual(self.completion("lpl_rate", "eval", "--activity", "my_"), {"my_result.h5", "my_training.rate", "my_folder"})
        self.assertEqual(self.completion("lpl_rate", "import", "my_"), files | {"my_folder"})
        self.assertEqual(self.completion("lpl_rate", "import", "--sequences", "my_d"), {"my_digits-idx3-ubyte.gz"})
        self.assertEqual(self.completion("lpl_rate", "e"), {"eval"})
        self.assertEqual(self.completion("lpl_sim", "--resume", "my_"), set())  # left to bash's own completion

    def test_the_tab_key(self):
        files = self.prefix / "share/bash-completion/completions"
        for name in ("b.rate", "b.h5", "b.txt"):
            (self.folder / name).touch()
        (self.folder / "b.images").mkdir()
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"],
                       dict(os.environ, PS1="> ", TERM="dumb", INPUTRC="/dev/null", HISTFILE="/dev/null"))
        try:
            self.send(terminal, f"bind 'set show-all-if-ambiguous on'; source '{files}/lpl_sim'; source '{files}/lpl_rate'; echo re''ady\n", "ready")
            self.send(terminal, "lpl_sim --che\t", "--checkpoint-model-time")
            self.send(terminal, "\x15lpl_sim --fall\t", "--fall-back")
            shown = self.send(terminal, "\x15lpl_rate eval b\t", "b.rate")
            self.assertRegex(shown, r"b\.h5 +b\.images/ +b\.rate")
            self.send(terminal, "\x15lpl_rate import --progress=b\t", "--progress=bar ")
            self.send(terminal, "\x15lpl_rate import b\t", "b.txt")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.close(terminal)
            os.waitpid(pid, 0)

    def send(self, terminal, keys, expected, seconds=20):
        """Types the keys and reads until the answer shows; all that was read."""
        os.write(terminal, keys.encode())
        text, end = "", time.monotonic() + seconds
        while expected not in text:
            ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
            self.assertTrue(ready, f"no {expected} within {seconds} s in {text!r}")
            text += os.read(terminal, 4096).decode(errors="replace")
        return text


if __name__ == "__main__":
    unittest.main()
