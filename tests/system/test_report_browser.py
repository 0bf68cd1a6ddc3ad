#!/usr/bin/env python3
"""A report in a real browser, in a wide and a narrow window: nothing overflows, no picture is missing or blank."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from support import EXAMPLES, InFolder, lpl_sim

import matplotlib.image
import numpy as np
from training_file import write_training_file

from lpl_analysis import report
from lpl_analysis.plots import GROUP_COLOURS
from lpl_analysis.results import Result

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SKIPPED = 77  # what CTest takes as skipped
WIDTHS = (1280, 500)  # a browser's window is no narrower
MEASURE = """<script>
const box = e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; };
document.body.dataset.measured = JSON.stringify({
  inner: innerWidth, page: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight,
  pictures: [...document.querySelectorAll("figure > svg")].map(box),
  boxes: [...document.querySelectorAll("figure, div.scroll, h1, h2, p")].map(box) });
</script></body>"""


def browse(*arguments):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                               f"--user-data-dir={profile}", *arguments], capture_output=True, text=True, timeout=120)


class InBrowser(InFolder):
    def look(self, page, width):
        """What the browser measures of a page at a width, and the picture [row, column, channel] it draws."""
        measured = self.write("measured.html", page.replace("</body>", MEASURE))
        dom = browse(f"--window-size={width},900", "--dump-dom", measured.as_uri()).stdout
        found = json.loads(re.search(r'data-measured="([^"]*)"', dom).group(1).replace("&quot;", '"'))
        plain, shot = self.write("plain.html", page), self.folder / "shot.png"
        browse(f"--window-size={width},{found['height'] + 200}", f"--screenshot={shot}", plain.as_uri())
        return found, np.round(matplotlib.image.imread(shot)[..., :3] * 255).astype(int)

    def check(self, page, pictures):
        self.assertEqual(page.count("<svg"), pictures)
        for width in WIDTHS:
            found, picture = self.look(page, width)
            self.assertEqual(found["inner"], width)
            self.assertLessEqual(found["page"], width, "the page scrolls sideways")
            self.assertEqual(len(found["pictures"]), pictures)
            for left, _, box_width, _ in found["boxes"]:
                self.assertTrue(0 <= left and left + box_width <= width, (left, box_width, width))
            for left, top, box_width, height in found["pictures"]:
                self.assertGreater(box_width, 300)
                inside = picture[int(top):int(top + height), int(left):int(min(left + box_width, width))]
                dark = (inside.sum(axis=2) < 600).mean()
                self.assertTrue(0.002 < dark < 0.9, f"a picture at {left}, {top} is {dark:.2%} dark")
            yield picture

    def test_a_spiking_run(self):
        path = self.folder / "invariance.h5"
        settings = ("phase.prime.duration=2 s", "phase.learn.duration=10 s", "record.rates.every=1 s",
                    "record.group_means.every=1 s")
        done = lpl_sim(EXAMPLES / "invariance.sim", "--out", path, "--progress", "none",
                       *[part for setting in settings for part in ("--set", setting)])
        self.assertEqual(done.returncode, 0, done.stderr)
        with Result(path) as result:
            page = report.page([result])
        for picture in self.check(page, pictures=7):
            # The weights' bars alone give each group thousands of pixels of its colour.
            for colour in GROUP_COLOURS.values():
                rgb = [int(colour[i:i + 2], 16) for i in (1, 3, 5)]
                self.assertGreater((abs(picture - rgb).max(axis=2) <= 2).sum(), 500, colour)

    def test_two_training_runs(self):
        paths = [self.folder / name for name in ("one_with_a_rather_long_name_for_a_run.h5", "two.h5")]
        for path in paths:
            write_training_file(path)
        with Result(paths[0]) as first, Result(paths[1]) as second:
            page = report.page([first, second])
        for _ in self.check(page, pictures=page.count("<svg")):
            pass


if __name__ == "__main__":
    if BROWSER is None:
        print("skipped: there is no Chromium; install it (scripts/install_dependencies.sh browser)")
        sys.exit(SKIPPED)
    unittest.main()
