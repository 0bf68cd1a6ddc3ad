#!/usr/bin/env python3
"""The scripts that fetch and make data. Downloads cannot be tried here: a stand-in for curl writes a file."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from support import ROOT


class Scripts(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def run_script(self, name, *arguments):
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run([ROOT / "scripts" / name, *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=60, env=dict(os.environ, PATH=path))

    def stand_in_for_curl(self, content):
        script = self.folder / "curl"
        script.write_text(f'#!/bin/sh\necho "$@" >> "{self.folder}/asked"\nprintf "{content}" > "$4"\n')
        script.chmod(0o755)

    def asked(self):
        asked = self.folder / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


class FetchData(Scripts):
    def test_help(self):
        done = self.run_script("fetch_data.sh", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("usage:", done.stdout)
        self.assertIn("cannot reach a network", done.stdout)

    def test_misuse_fetches_nothing(self):
        self.stand_in_for_curl("x")
        for arguments, message in (([], "no set is named"), (["imagenet"], "unknown set imagenet"),
                                   (["cifar10", "--into", "x"], "unknown option --into"),
                                   (["cifar10", "--to"], "--to needs a folder")):
            done = self.run_script("fetch_data.sh", *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)
        self.assertEqual(self.asked(), [])
        self.assertFalse((self.folder / "data").exists())

    def test_fashion_is_converted_from_the_package(self):
        """A stand-in for lpl_rate is asked for both files, once."""
        program = self.folder / "lpl_rate"
        program.write_text(f'#!/bin/sh\necho "$@" >> "{self.folder}/asked"\ntouch "$4"\n')
        program.chmod(0o755)
        script = (ROOT / "scripts/fetch_data.sh").read_text().replace("/usr/share/datasets", str(self.folder))
        (self.folder / "fetch.sh").write_text(script)
        (self.folder / "fashion-mnist").mkdir()
        for _ in range(2):
            done = subprocess.run(["bash", self.folder / "fetch.sh", "--to", "sets", "fashion"], cwd=self.folder,
                                  capture_output=True, text=True, check=False, env=dict(os.environ, LPL_RATE=program))
            self.assertEqual(done.returncode, 0, done.stderr)
        images = self.folder / "fashion-mnist"
        self.assertEqual(self.asked(), [f"import {images}/train-images-idx3-ubyte.gz --out sets/fashion_train.h5",
                                        f"import {images}/t10k-images-idx3-ubyte.gz --out sets/fashion_test.h5"])

    def test_a_wrong_file_is_refused_by_its_sum(self):
        self.stand_in_for_curl("not the images")
        done = self.run_script("fetch_data.sh", "--to", "sets", "shapes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("sets/3dshapes.h5 has the MD5 sum", done.stderr)
        self.assertIn("expected 099a2078d58cec4daad0702c55d06868", done.stderr)
        self.assertEqual(len(self.asked()), 1)
        # Again: the file is there, so it is checked, not fetched.
        self.assertEqual(self.run_script("fetch_data.sh", "--to", "sets", "shapes").returncode, 1)
        self.assertEqual(len(self.asked()), 1)


class MakeDigits(Scripts):
    def test_writes_the_digits_asked_for(self):
        done = self.run_script("make_digits.py", "digits.txt", "--digits", "5,6")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [[float(word) for word in line.split()] for line in (self.folder / "digits.txt").read_text().splitlines()]
        self.assertEqual({row[0] for row in rows}, {5, 6})
        self.assertTrue(all(len(row) == 65 and max(row[1:]) <= 1 and min(row[1:]) >= 0 for row in rows))

    def test_spares_what_is_there(self):
        (self.folder / "mine.txt").write_text("mine")
        for out, more, code, message in (("mine.txt", (), 2, "is there already"), ("none/d.txt", (), 2, "there is no folder"),
                                         ("mine.txt", ("--overwrite",), 0, ""), ("mine.txt", (), 0, "")):
            done = self.run_script("make_digits.py", out, *more)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(message, done.stderr)
            if code:
                self.assertEqual((self.folder / "mine.txt").read_text(), "mine")
        self.assertEqual(len((self.folder / "mine.txt").read_text().splitlines()[0].split()), 65)

    def test_misuse(self):
        for digits, message in (("5,x", "expected numbers"), ("12", "digits are 0 to 9")):
            done = self.run_script("make_digits.py", "digits.txt", "--digits", digits)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
