"""Runs that the analysis is tried on, and the analysis as its users call it."""

import contextlib
import io
import re
import types

from support import InFolder, lpl_sim

import lpl as program

NETWORK = """
simulation = { seed = 3 }
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.5, weight = 0.6, plasticity = "lpl" }]
phase = [{ name = "run", duration = "DURATION" }]
record = [{ what = "spikes", of = ["input", "exc"] }, { what = "rates", of = ["exc"], every = "100 ms" },
          { what = "weights", of = "input_exc" }, { what = "group_weights", of = "input_exc", every = "100 ms" },
          { what = "state", of = "exc", variable = "V", neurons = [0, 1], every = "1 ms", last = "100 ms" }]
[[population]]
name = "exc"
cell = "if"
size = 12
[[stimulus]]
name = "input"
type = "poisson"
  [[stimulus.group]]
  name = "slow"
  size = 40
  rate = { signal = "slow", period = "1 s" }
  [[stimulus.group]]
  name = "control"
  size = 40
  rate = { shuffle_of = "slow" }
"""


WINDOWS = """
simulation = { seed = 3 }
phase = [{ name = "first", duration = "1 s" }, { name = "second", duration = "2.0005 s" }]
record = [{ what = "spikes", of = ["input", "exc"], last = "500 ms" },
          { what = "rates", of = ["exc"], every = "300 ms", last = "500 ms" },
          { what = "state", name = "v", of = "exc", variable = "V", neurons = [5, 1], every = "0.3 ms", last = "100 ms" },
          { what = "state", name = "t", of = "exc", variable = "theta", neurons = [0], every = "7 ms" },
          { what = "state", name = "m", of = "exc", variable = "input_exc.mean", neurons = [2], every = "10 ms", phases = ["second"] },
          { what = "state", name = "i", of = "inh", variable = "V", neurons = [0], every = "1 s" },
          { what = "weights", of = "input_exc", phases = ["second"], every = "400 ms" }]
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.5, weight = 0.6, plasticity = "lpl" },
              { name = "input_inh", from = "input", to = "inh", density = 0.5, weight = 0.6 }]
population = [{ name = "exc", cell = "if", size = 12 }, { name = "inh", cell = "lif", size = 2 }]
[[stimulus]]
name = "input"
type = "poisson"
group = [{ name = "A,left", size = 40, rate = "20 Hz" }, { name = "_B$x$", size = 40, rate = "10 Hz" }]
"""


def lpl(*arguments):
    """Runs lpl.py in this process; its exit status and texts."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = program.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    if isinstance(code, str):  # as the interpreter does with sys.exit(text)
        err.write(code)
        code = 1
    return types.SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def titles(page):
    """The titles of a page's pictures."""
    return re.findall(r'aria-label="([^"]*)"', page)


class AnalysisTest(InFolder):
    def network(self, duration="3 s", sets=(), name="run"):
        path = self.folder / f"{name}.h5"
        source = self.write(f"{name}.sim", NETWORK.replace("DURATION", duration))
        done = lpl_sim(source, "--out", path, "--progress", "none", *[p for s in sets for p in ("--set", s)])
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def assert_says(self, page, text):
        self.assertTrue(text in page, f"the page lacks {text!r}")

    def report(self, *paths):
        page = self.folder / "page.html"
        done = lpl("report", *paths, "-o", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = page.read_text()
        # Self-contained: nothing is fetched.
        for target in re.findall(r'(?:src|href)="([^"]*)"', text):
            self.assertTrue(target.startswith(("#", "data:")), target[:80])
        self.assertFalse(re.search(r"<script|@import|url\((?!#)", text))
        identities = re.findall(r' id="([^"]*)"', text)
        self.assertTrue(all(f"#{name}" in text for name in identities))
        return text

    def windows(self, *settings):
        path = self.folder / "windows.h5"
        done = lpl_sim(self.write("windows.sim", WINDOWS), "--out", path, "--overwrite", "--progress", "none",
                       *[part for setting in settings for part in ("--set", setting)])
        self.assertEqual(done.returncode, 0, done.stderr)
        return path
