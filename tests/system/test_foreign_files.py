#!/usr/bin/env python3
"""Files that others wrote, given to the programs: what does not fit is refused by name before a byte of it is used, with
exit code 2, on any number of ranks."""

import contextlib
import io
import json
import os
import pickle
import struct
import threading
import unittest

import support
from support import InFolder, lpl_rate, lpl_sim

import h5py
import numpy as np

import lpl as program

MLP = """
[training]
batch = 4
epochs = 1
[network]
net = "mlp"
[net.mlp]
type = "dense"
units = [4, 4]
[learning]
rule = "{rule}"
{learning}
[data]
{data}
"""

SPIKES = """
[simulation]
dt = "0.1 ms"
seed = 1
[[population]]
name = "exc"
cell = "lif"
size = 2
[[stimulus]]
name = "s"
type = "spikes"
size = 10
file = "s.h5"
[[connection]]
name = "in"
from = "s"
to = "exc"
receptor = "AMPA"
density = 1.0
weight = 0.1
[[phase]]
name = "run"
duration = "10 ms"
"""


class ForeignFiles(InFolder):
    def refused(self, program, *arguments, ranks=(1,)):
        """The message of a refusal, the same on each of these numbers of ranks."""
        messages = set()
        for count in ranks:
            done = program(*arguments, ranks=count, cwd=self.folder)
            self.assertEqual(done.returncode, 2, f"{count} ranks: {done.stdout}{done.stderr}")
            lines = [line for line in done.stderr.splitlines() if line.startswith("lpl_")]
            self.assertEqual(len(lines), 1, done.stderr)
            messages.add(lines[0])
        self.assertEqual(len(messages), 1)
        return messages.pop()

    def training(self, data, rule="lpl", learning=""):
        return self.write("t.rate", MLP.format(rule=rule, learning=learning, data=data))

    def refused_training(self, ranks=(1,), **description):
        return self.refused(lpl_rate, self.training(**description), "--check", ranks=ranks)


class RecordedBatches(ForeignFiles):
    def batches(self, **changed):
        """A small file of batches, with datasets replaced, or left out where they are None."""
        images = np.random.default_rng(1).normal(size=(2, 4, 1, 2, 2)).astype(np.float32)
        content = {"img_1": images, "img_2": images, "labels": np.zeros((2, 4), np.int64), "order": np.array([0, 1, 0]),
                   **changed}
        with h5py.File(self.folder / "b.h5", "w") as file:
            for name, values in content.items():
                if values is not None:
                    file["batches/" + name] = values

    DATA = 'set = "batches"\nfile = "b.h5"'

    def refusal(self, rule="lpl", learning="", ranks=(1,), **changed):
        self.batches(**changed)
        return self.refused_training(data=self.DATA, rule=rule, learning=learning, ranks=ranks)

    def test_a_whole_file_is_accepted(self):
        self.batches(permutations=np.array([[1, 0, 3, 2]] * 3), labels=np.zeros((2, 4), np.uint8))
        path = self.training(self.DATA, learning='positives = "shuffled"')
        done = lpl_rate(path, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_sizes_that_do_not_fit(self):
        self.assertIn("b.h5/batches/labels: is int64 (1, 1); expected whole numbers of extent (2, 4)",
                      self.refusal(rule="supervised", labels=np.zeros((1, 1), np.int64), ranks=(1, 2)))
        self.assertIn("b.h5/batches/permutations: is int64 (4); expected whole numbers of extent (3, 4)",
                      self.refusal(learning='positives = "shuffled"', permutations=np.arange(4)))
        # The same without --check.
        self.assertIn("b.h5/batches/permutations", self.refused(lpl_rate, "t.rate", ranks=(1, 2)))
        self.assertIn("b.h5/batches/order: is int64 (0); expected the batch of each step of an epoch, at least one",
                      self.refusal(order=np.zeros(0, np.int64)))
        self.assertIn("b.h5/batches/img_2: is float32 (1, 4, 1, 2, 2); expected (2, 4, 1, 2, 2), as img_1",
                      self.refusal(img_2=np.zeros((1, 4, 1, 2, 2), np.float32)))
        self.assertIn("b.h5/batches/img_1: is float32 (2, 4); expected (batches, samples, channels, rows, columns)",
                      self.refusal(img_1=np.zeros((2, 4), np.float32)))

    def test_values_that_do_not_fit(self):
        for name, values, message in (
                ("order", np.array([0, 7]), "b.h5/batches/order: entry 1 is 7; expected 0 to 1"),
                ("order", np.array([-1]), "b.h5/batches/order: entry 0 is -1; expected 0 to 1"),
                ("labels", np.full((2, 4), 10), "b.h5/batches/labels: entry 0 is 10; expected 0 to 9"),
                ("labels", np.full((2, 4), 2**64 - 1, np.uint64), "labels: entry 0 is 18446744073709551615"),
                ("labels", np.full((2, 4), np.nan), "b.h5/batches/labels: is float64 (2, 4); expected whole numbers"),
                ("permutations", np.array([[0, 0, 1, 2]] * 3), "b.h5/batches/permutations: row 0 names a sample twice")):
            with self.subTest(name=name, values=values):
                self.assertIn(message, self.refusal(**{name: values}))
        images = np.zeros((2, 4, 1, 2, 2))
        for value, found in ((np.nan, "nan"), (np.inf, "inf"), (1e300, "1e+300")):
            images[1, 2, 0, 1, 0] = value
            with self.subTest(value=value):
                self.assertIn(f"b.h5/batches/img_2: entry 26 is {found}", self.refusal(img_2=images))

    def test_datasets_that_are_missing(self):
        for name in ("img_1", "img_2", "labels", "order"):
            with self.subTest(name=name):
                self.assertIn(f"b.h5/batches/{name}: there is no such dataset", self.refusal(**{name: None}))


class Results(ForeignFiles):
    """lpl_rate eval of what is no result of lpl_rate."""

    def refusal(self, description):
        with h5py.File(self.folder / "r.h5", "w") as file:
            file["config/description"] = description
        return self.refused(lpl_rate, "eval", "r.h5", ranks=(1, 2))

    def test_a_description_that_is_no_text(self):
        self.assertIn("r.h5/config/description: holds 1000 values in 1 dimensions, text of 64 bytes; expected one text",
                      self.refusal(np.full(1000, b"x" * 64)))
        self.assertIn("float64; expected one text", self.refusal(1.0))
        self.assertIn("text of variable length; expected one text",
                      self.refusal(np.array(["a", "b"], dtype=h5py.string_dtype())))

    def test_a_description_of_variable_length_is_read(self):
        self.assertIn("r.h5:1", self.refusal("nonsense"))

    def test_files_that_are_none(self):
        self.assertIn("there is no file none.h5", self.refused(lpl_rate, "eval", "none.h5"))
        self.write("text.h5", "no HDF5")
        self.assertIn("text.h5: is no HDF5 file", self.refused(lpl_rate, "eval", "text.h5"))


class Shapes(ForeignFiles):
    DATA = 'set = "shapes3d"\nfile = "s.h5"\nside = 8'

    def test_an_extent_whose_bytes_pass_64_bits(self):
        count = 3074457345618258603
        with h5py.File(self.folder / "s.h5", "w") as file:
            file.create_dataset("images", (count, 1, 1, 3), np.uint8, chunks=(1000, 1, 1, 3))
            file.create_dataset("labels", (count, 6), np.float64, chunks=(1000, 6))
        self.assertIn(f"s.h5/images: announces ({count}, 1, 1, 3) values", self.refused_training(data=self.DATA, ranks=(1, 2)))

    def test_fewer_images_than_trajectories_go_through(self):
        with h5py.File(self.folder / "s.h5", "w") as file:
            file["images"] = np.zeros((12, 8, 8, 3), np.uint8)
            file["labels"] = np.tile([0, 0, 0, 0.75, 0, -30], (12, 1))
        self.assertIn("s.h5: holds 12 images; trajectories go through all 480000", self.refused_training(data=self.DATA))

    def test_the_published_chunks_are_read_once(self):
        """A whole set of small images in chunks that span 15,000 of them: --check needs none, a run each once."""
        levels = (np.arange(10) / 10,) * 3 + (np.linspace(.75, 1.25, 8), np.arange(4.), np.linspace(-30, 30, 15))
        labels = np.stack(np.meshgrid(*levels, indexing="ij"), -1).reshape(-1, 6)
        images = (np.arange(480000)[:, None, None, None] // 977 + np.arange(48).reshape(1, 4, 4, 3)).astype(np.uint8)
        results = {}
        for name, chunks in (("as_published", (15000, 2, 4, 1)), ("whole", None)):
            with h5py.File(self.folder / "s.h5", "w") as file:
                file.create_dataset("images", data=images, chunks=chunks, compression=chunks and "gzip")
                file["labels"] = labels
            path = self.training(self.DATA + "\ntrajectories = 4\nframes = 17\nblocks_per_epoch = 2\nreadout_blocks = 1\n"
                                 "test_blocks = 1\n[readout]\nwanted = false")
            self.assertEqual(lpl_rate(path, "--check", cwd=self.folder, timeout=60).returncode, 0)
            done = lpl_rate(path, "--out", name + ".h5", cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("phase reading" in done.stderr, chunks is not None, done.stderr)
            results[name] = {key: value for key, value in support.datasets(self.folder / (name + ".h5")).items()
                             if key.startswith("network")}
        self.assertTrue(results["whole"])
        self.assertEqual(results["as_published"], results["whole"])


class ImageFolders(ForeignFiles):
    DATA = 'set = "cifar10"\nfolder = "cifar"'

    def refusal(self, **files):
        folder = self.folder / "cifar"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, content in files.items():
            (folder / name.replace("__", ".")).write_bytes(content)
        return self.refused_training(data=self.DATA)

    def test_what_is_there_instead(self):
        self.assertIn("there is no file", self.refusal())
        self.assertIn("the Python version of CIFAR-10", self.refusal(data_batch_1=pickle.dumps({})))
        self.assertIn("the binary version of CIFAR-100", self.refusal(train__bin=bytes(3074)))
        self.assertIn("it is CIFAR-100", self.refusal(data_batch_1__bin=bytes(10 * 3074)))
        self.assertIn("it is pickled by Python", self.refusal(data_batch_1__bin=pickle.dumps({})))
        self.assertIn("it is packed by gzip", self.refusal(data_batch_1__bin=b"\x1f\x8b\x08" + bytes(20)))


class InitialParameters(ForeignFiles):
    """training.initial = ... of the usual wrong files, and of one with more in it than is asked for."""

    DATA = 'set = "clusters"\nsteps_per_epoch = 2'

    def file(self, **tensors):
        """A safetensors file of (type, shape, bytes)."""
        header, data = "{", b""
        for name, (dtype, shape, content) in tensors.items():
            header += f'"{name}":{{"dtype":"{dtype}","shape":{list(shape)},"data_offsets":[{len(data)},{len(data) + len(content)}]}},'
            data += content
        header = header[:-1] + "}"
        (self.folder / "p.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode() + data)

    def test_files_of_other_kinds(self):
        path = self.training(self.DATA)
        for content, words in ((b"PK\x03\x04" + bytes(60), "PyTorch's .pt, .pth and .ckpt"),
                               (b"\x89HDF\r\n\x1a\n" + bytes(60), "an HDF5 file"),
                               (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a pointer of git-lfs"),
                               (pickle.dumps({"a": [1] * 20}, protocol=2), "pickled by Python")):
            (self.folder / "p.safetensors").write_bytes(content)
            with self.subTest(words=words):
                message = self.refused(lpl_rate, path, "--overwrite", "--set", 'training.initial="p.safetensors"')
                self.assertIn("p.safetensors: is no safetensors file", message)
                self.assertIn(words, message)

    def test_only_what_is_asked_for_is_judged(self):
        path = self.training(self.DATA)
        done = lpl_rate(path, "--export", "p.safetensors", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        tensors = read_tensors(self.folder / "p.safetensors")
        self.file(**tensors, step=("I32", (1,), struct.pack("<i", 7)), mask=("BOOL", (3,), b"\1\0\1"),
                  moment=("F32", (1,), struct.pack("<f", float("inf"))))
        done = lpl_rate(path, "--overwrite", "--set", 'training.initial="p.safetensors"', cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        name = min(tensors)
        tensors[name] = ("F32", tensors[name][1], struct.pack("<f", float("nan")) * (len(tensors[name][2]) // 4))
        self.file(**tensors)
        self.assertIn(f"tensor '{name}' holds values that are not finite",
                      self.refused(lpl_rate, path, "--overwrite", "--set", 'training.initial="p.safetensors"'))


def read_tensors(path):
    """The tensors of a safetensors file as (type, shape, bytes)."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8:8 + length]), content[8 + length:]
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])]) for name, entry in header.items()}


class SpikeFiles(ForeignFiles):
    def refusal(self, make):
        with h5py.File(self.folder / "s.h5", "w") as file:
            make(file)
        return self.refused(lpl_sim, self.write("s.sim", SPIKES), "--check", ranks=(1, 2))

    def test_ids_that_are_negative(self):
        def make(file):
            file["spikes/p/node_ids"] = np.array([-1])
            file["spikes/p/timestamps"] = np.array([1.0])
        self.assertIn("s.h5: /spikes/p/node_ids[0]: neuron -1 does not exist", self.refusal(make))

    def test_data_in_other_files(self):
        with h5py.File(self.folder / "other.h5", "w") as file:
            file["spikes/p/node_ids"] = np.array([1])
            file["spikes/p/timestamps"] = np.array([1.0])

        def link(file):
            file["spikes"] = h5py.ExternalLink(str(self.folder / "other.h5"), "/spikes")

        def virtual(file):
            for name, dtype in (("node_ids", "i8"), ("timestamps", "f8")):
                layout = h5py.VirtualLayout((1,), dtype)
                layout[:] = h5py.VirtualSource(str(self.folder / "other.h5"), "spikes/p/" + name, (1,), dtype)
                file.create_virtual_dataset("spikes/p/" + name, layout)

        def external(file):
            for name, dtype in (("node_ids", "i8"), ("timestamps", "f8")):
                file.create_dataset("spikes/p/" + name, (1,), dtype, external=[(str(self.folder / "other.h5"), 0, 8)])

        self.assertIn("s.h5/spikes: is a link into another file", self.refusal(link))
        self.assertIn("is a virtual dataset", self.refusal(virtual))
        self.assertIn("external storage", self.refusal(external))


class RanksOfAuryn(ForeignFiles):
    """Files that a parallel run of Auryn leaves, neuron n on rank n mod 2, made one by lpl.py join."""

    HEADER = (10000, 287960084)

    def joined(self, whole, *parts):
        return program.main(["join", *(str(self.folder / part) for part in parts), "-o", str(self.folder / whole)])

    def refusal(self, whole, *parts):
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.assertEqual(self.joined(whole, *parts), 2)
        self.assertFalse((self.folder / whole).exists())
        return told.getvalue()

    def records(self, name, *rows, header=HEADER):
        np.array([header, *rows], "<u4").tofile(self.folder / name)

    def test_spikes(self):
        self.records("e.0.spk", (3, 4), (20, 0), (20, 8))
        self.records("e.1.spk", (3, 1), (20, 5), (31, 9))
        self.assertEqual(self.joined("e.spk", "e.0.spk", "e.1.spk"), 0)
        np.testing.assert_array_equal(np.fromfile(self.folder / "e.spk", "<u4").reshape(-1, 2),
                                      [self.HEADER, (3, 1), (3, 4), (20, 0), (20, 5), (20, 8), (31, 9)])
        self.write("e.0.ras", "# time neuron\n0.000300 4\n0.002000 0\n")
        self.write("e.1.ras", "0.000300 1\n0.003100 9\n")
        self.assertEqual(self.joined("e.ras", "e.1.ras", "e.0.ras"), 0)
        self.assertEqual((self.folder / "e.ras").read_text(), "0.000300 1\n0.000300 4\n0.002000 0\n0.003100 9\n")
        for name in ("e.spk", "e.ras"):
            text = SPIKES.replace("s.h5", name).replace("size = 2", "size = 10")
            done = lpl_sim(self.write("s.sim", text), "--check", cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_weights(self):
        head = "%%MatrixMarket matrix coordinate real general\n% written by a rank\n"
        self.write("w.0.wmat", head + "3 2 2\n1 1 0.1\n3 1 0.25\n")
        self.write("w.1.wmat", head + "3 2 2\n1 2 0\n2 2 0.123456789\n")
        self.assertEqual(self.joined("w.wmat", "w.0.wmat", "w.1.wmat"), 0)
        rows = [line.split() for line in (self.folder / "w.wmat").read_text().splitlines() if line[0] not in "%"]
        self.assertEqual(rows[0], ["3", "2", "4"])
        self.assertEqual({(int(pre), int(post)): np.float32(weight) for pre, post, weight in rows[1:]},
                         {(1, 1): np.float32(.1), (3, 1): np.float32(.25), (1, 2): 0, (2, 2): np.float32(.123456789)})

    def test_parts_that_do_not_fit(self):
        self.records("a.spk", (1, 1))
        self.records("b.spk", header=(1000, 287960084))
        self.records("states.spk", header=(10000, 287961084))
        (self.folder / "cut.spk").write_bytes(b"\x10\x27")
        self.write("a.ras", "0.1 0\n")
        self.write("c.ras", "0.1 0\n0.2\n")
        head = "%%MatrixMarket matrix coordinate real general\n"
        self.write("a.wmat", head + "3 2 1\n3 1 0.25\n")
        self.write("b.wmat", head + "2 2 1\n1 1 0.25\n")
        for whole, parts, message in (
                ("w.spk", ("a.spk", "b.spk"), "b.spk: has 1000 steps a second"),
                ("w.spk", ("a.spk", "states.spk"), "states.spk: is no .spk file"),
                ("w.spk", ("cut.spk",), "cut.spk: is no .spk file, or cut off: its 2 bytes"),
                ("w.spk", ("a.spk", "a.ras"), "a.ras: has another ending than the output, '.spk'"),
                ("w.ras", ("none.ras",), "there is no file"),
                ("w.ras", ("a.ras", "c.ras"), "c.ras:2: '0.2' is no spike"),
                ("w.wmat", ("a.wmat", "b.wmat"), "b.wmat: is of (2, 2) neurons"),
                ("w.wmat", ("a.wmat", "a.wmat"), "the synapse 3 1 stands several times"),
                ("w.csv", ("t.csv",), "there is no file"),
                ("w.sim", ("s.sim",), "use .spk, .ras, .wmat, .mtx")):
            self.write("s.sim", "")
            with self.subTest(whole=whole, parts=parts):
                self.assertIn(message, self.refusal(whole, *parts))


class Descriptions(ForeignFiles):
    def test_what_is_no_file(self):
        (self.folder / "folder.sim").mkdir()
        for name, reason in (("none.sim", "there is no file none.sim"), ("folder.sim", "folder.sim: is a folder; a file is expected"),
                             ("/dev/zero", "/dev/zero: is a device or a pipe; a file is expected")):
            for program in (lpl_sim, lpl_rate):
                with self.subTest(program=program, name=name):
                    self.assertIn(reason, self.refused(program, name, "--check", ranks=(1, 2)))

    def test_a_description_may_come_through_a_pipe(self):
        text = '[simulation]\nseed = 1\n[[population]]\nname = "exc"\ncell = "lif"\nsize = 2\n[[phase]]\nname = "run"\nduration = "1 ms"\n'
        os.mkfifo(self.folder / "pipe")
        writer = threading.Thread(target=lambda: (self.folder / "pipe").write_text(text))
        writer.start()
        done = lpl_sim("pipe", "--progress", "none", "--out", "run.h5", cwd=self.folder)
        writer.join()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write("net.sim", text)
        self.assertEqual(lpl_sim("net.sim", "--progress", "none", "--out", "other.h5", cwd=self.folder).returncode, 0)
        self.assertEqual(support.datasets(self.folder / "run.h5"), support.datasets(self.folder / "other.h5"))


if __name__ == "__main__":
    unittest.main()
