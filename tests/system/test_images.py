#!/usr/bin/env python3
"""Images of one's own: lpl_rate import makes a set of them from what people have, and trainings read it."""

import gzip
import itertools
import re
import signal
import struct
import subprocess
import time
import unittest
import zlib

from support import LPL_RATE, ROOT, environment, h5py, lpl_rate, small_disk
from test_rate import LINEAR, SUPERVISED, RateTest, description

import numpy as np

VALUES = np.random.default_rng(5)


def images_of(n, side=32, channels=3):
    return VALUES.integers(0, 256, (n, side, side, channels), np.uint8)


def exif(orientation, order="<"):
    """A TIFF of one entry, which says how the camera was held."""
    return {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def png(pixels, more=b""):
    """A PNG of (height, width, channels) pixels of 8 or 16 bits: grey, RGB, or RGB and transparency; `more`: what stands in eXIf."""
    height, width, channels = pixels.shape
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + (chunk(b"eXIf", more) if more else b"") + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(steps, more=b""):
    """Made by an encoder that is not the decoder's: grey blocks beside each other, their brightness by its differences (8 a
    grey level, 64 to 127 or their negatives), from 128 on; `more`: what stands in the EXIF segment."""
    quantisation = b"\xff\xdb\0\x43\0" + bytes([1] * 64)
    frame = b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", 8, 8 * len(steps)) + b"\x01\x01\x11\0"
    # Code 0 of one bit: a difference of 7 bits (DC); code 0: end of block (AC).
    tables = b"".join(b"\xff\xc4" + struct.pack(">HB", 3 + 16 + 1, kind) + bytes([1] + [0] * 15) + bytes([symbol])
                      for kind, symbol in ((0, 7), (0x10, 0)))
    bits = "".join("0" + f"{step if step > 0 else step + 127:07b}" + "0" for step in steps)
    bits += "1" * (-len(bits) % 8)
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(more)) + b"Exif\0\0" + more if more else b""
    return b"\xff\xd8" + segment + quantisation + frame + tables + scan + b"\xff\xd9"


def idx(values):
    return struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


class ImagesTest(RateTest):
    def convert(self, *arguments, out="set.h5", code=0):
        done = lpl_rate("import", *arguments, "--out", self.folder / out, "--progress", "none")
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def refusal(self, *arguments, code=2):
        done = self.convert(*arguments, code=code)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertFalse((self.folder / "set.h5").exists())
        return done.stderr

    def stored(self, out="set.h5"):
        with h5py.File(self.folder / out) as file:
            return {name: file[name][()] for name in file}

    def file(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


class Import(ImagesTest):
    def test_folders_of_pictures_by_class(self):
        pictures = images_of(4, side=8)
        for name, picture in zip(("cats/b.PNG", "cats/a.png", "ants/deep/c.png", "dogs/x.png"), pictures):
            self.file(f"photos/{name}", png(picture))
        self.file("photos/notes/readme.txt", b"no picture")
        done = self.convert(self.folder / "photos")
        self.assertIn("images       4, 8 x 8, RGB\nlabels       class: 3 classes\n", done.stdout)
        stored = self.stored()
        np.testing.assert_array_equal(stored["images"], pictures[[2, 1, 0, 3]])
        np.testing.assert_array_equal(stored["labels"], [[0], [1], [1], [2]])
        self.assertEqual(stored["names"], b"ants\ncats\ndogs")

    def test_flat_folders_and_other_sizes(self):
        grey = np.repeat(np.arange(0, 160, 10, dtype=np.uint8)[None, :, None], 8, 0)  # 8 rows, 16 columns
        clear = np.concatenate([np.full((4, 4, 3), 200, np.uint8), np.zeros((4, 4, 1), np.uint8)], 2)
        self.file("flat/1.png", png(grey))
        self.file("flat/2.png", png(clear))
        self.assertIn("give --side", self.refusal(self.folder / "flat"))
        self.convert(self.folder / "flat", "--side", 4)
        stored = self.stored()
        self.assertNotIn("labels", stored)
        # The middle 8 of 16 columns, halved by the triangle (1, 3, 3, 1) / 8, cut off at the border.
        line = grey[0, 4:12, 0].astype(float)
        expected = [(3 * line[0] + 3 * line[1] + line[2]) / 7, *((line[i - 1] + 3 * line[i] + 3 * line[i + 1] + line[i + 2]) / 8
                    for i in (2, 4)), (line[5] + 3 * line[6] + 3 * line[7]) / 7]
        np.testing.assert_array_equal(stored["images"][0, 2, :, 0], np.floor(np.array(expected) + 0.5))
        self.assertTrue((stored["images"][1] == 0).all())  # transparent stands before black

    def test_pictures_of_16_bits_are_as_dark_as_those_of_8(self):
        for name, channels in (("grey", 1), ("colour", 3)):
            pixels = np.arange(0, 256, 4, dtype=np.uint8)[:16 * channels].reshape(4, 4, channels)
            self.file(f"{name}/1.png", png(pixels.astype(np.uint16) * 257))
            self.convert(self.folder / name, out=f"{name}.h5")
            with h5py.File(self.folder / f"{name}.h5") as file:
                np.testing.assert_array_equal(file["images"][0], np.broadcast_to(pixels, (4, 4, 3)))

    def test_jpeg(self):
        """One grey block, all of it 128 + 8."""
        self.file("flat/a.jpg", jpeg([64]))
        self.convert(self.folder / "flat")
        np.testing.assert_array_equal(self.stored()["images"], np.full((1, 8, 8, 3), 136))
        broken = self.file("flat/b.jpeg", jpeg([64])[:71])
        (self.folder / "set.h5").unlink()
        self.assertIn(f"{broken}: cannot be read as a picture: ", self.refusal(self.folder / "flat", "--side", 8))

    def test_pictures_are_turned_upright(self):
        stored = images_of(1, side=3)[0]
        corner = stored[::-1, ::-1]
        expected = [stored, stored[:, ::-1], corner, stored[::-1], stored.swapaxes(0, 1), np.rot90(stored, -1), corner.swapaxes(0, 1),
                    np.rot90(stored)]
        for orientation in range(1, 9):
            self.file(f"turned/{orientation}.png", png(stored, exif(orientation, "<>"[orientation % 2])))
        self.convert(self.folder / "turned")
        np.testing.assert_array_equal(self.stored()["images"], expected)
        self.file("turned/9.png", png(stored, exif(9)))
        (self.folder / "set.h5").unlink()
        self.assertIn("9.png: cannot be read as a picture: its orientation in EXIF is 9; 1 to 8 are defined",
                      self.refusal(self.folder / "turned"))

    def test_jpeg_of_a_turned_camera(self):
        """Two blocks beside each other, 136 and 128, one above the other when a quarter turn is undone."""
        for name, orientation, top in (("a", 6, 136), ("b", 8, 128)):
            self.file(f"flat/{name}.jpg", jpeg([64, -64], exif(orientation)))
            self.convert(self.folder / "flat", "--side", 8, "--overwrite")
            image = self.stored()["images"][-1]
            self.assertTrue((image[:4] == top).all() and (image[4:] == 264 - top).all(), image[..., 0])

    def test_idx_packed_or_not(self):
        pictures, labels = images_of(5, 28, 1)[..., 0], np.array([3, 0, 9, 9, 1], np.uint8)
        images = self.file("train-images-idx3-ubyte.gz", gzip.compress(idx(pictures)))
        self.file("train-labels-idx1-ubyte.gz", gzip.compress(idx(labels)))
        self.convert(images)
        stored = self.stored()
        np.testing.assert_array_equal(stored["images"][..., 0], pictures)
        np.testing.assert_array_equal(stored["labels"][:, 0], labels)
        self.assertEqual(list(stored["classes"]), [10])
        plain = self.file("other.idx", idx(pictures))
        self.convert(plain, "--labels", self.file("l.idx", idx(labels)), out="plain.h5")
        np.testing.assert_array_equal(self.stored("plain.h5")["images"], stored["images"])
        (self.folder / "set.h5").unlink()
        self.file("short.gz", gzip.compress(idx(pictures))[:-9])
        self.assertIn("cut off or broken", self.refusal(self.folder / "short.gz"))
        self.file("short.idx", idx(pictures)[:-1])
        self.assertIn("short.idx: ends at byte", self.refusal(self.folder / "short.idx"))

    def test_numpy(self):
        pictures, labels = images_of(6, 8), np.array([[0, 5]] * 6)
        np.save(self.folder / "x.npy", pictures)
        np.save(self.folder / "planes.npy", np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
        np.save(self.folder / "y.npy", labels)
        for name in ("x.npy", "planes.npy"):
            self.convert(self.folder / name, "--labels", self.folder / "y.npy", "--overwrite")
            stored = self.stored()
            np.testing.assert_array_equal(stored["images"], pictures)
            np.testing.assert_array_equal(stored["labels"], labels)
            self.assertEqual(list(stored["classes"]), [1, 6])
        for save in (np.savez, np.savez_compressed):
            save(self.folder / "all.npz", x_train=pictures, y_train=labels[:, 1], x_test=pictures[:2], y_test=labels[:2, 1],
                 weights=np.ones(6))
            (self.folder / "set.h5").unlink()
            self.assertIn("which array holds the images? Give --array, x_train or x_test", self.refusal(self.folder / "all.npz"))
            self.convert(self.folder / "all.npz", "--array", "x_test")
            np.testing.assert_array_equal(self.stored()["images"], pictures[:2])
            np.testing.assert_array_equal(self.stored()["labels"], [[5], [5]])
        (self.folder / "set.h5").unlink()
        np.save(self.folder / "float.npy", pictures / 255)
        self.assertIn("NumPy's type <f8", self.refusal(self.folder / "float.npy"))
        np.save(self.folder / "flat.npy", pictures.reshape(6, -1).astype(int))
        self.assertRegex(self.refusal(self.folder / "flat.npy"), r"holds no images: .*; it has other numbers \(6, \d+\): give another SOURCE")
        np.save(self.folder / "few.npy", labels[:5])
        self.assertIn("holds no labels: one, or a row of them, for each of 6 images of "
                      f"{self.folder}/x.npy; it has other numbers (5, 2): give --labels the file of these images",
                      self.refusal(self.folder / "x.npy", "--labels", self.folder / "few.npy"))

    def test_empty_arrays_and_labels_of_other_images(self):
        pictures = images_of(6, 8)
        np.save(self.folder / "none.npy", pictures[:0])
        self.assertIn("holds no images: uint8 (images, rows, columns)", message := self.refusal(self.folder / "none.npy"))
        self.assertIn("it has an empty array (0, 8, 8, 3): give another SOURCE", message)
        np.savez(self.folder / "few.npz", x=pictures, y=np.arange(5))
        with h5py.File(self.folder / "few.h5", "w") as file:
            file["x"], file["y"] = pictures, np.arange(5)
        for name in ("few.npz", "few.h5"):
            with self.subTest(name=name):
                self.assertIn("the array y holds no labels: one, or a row of them, for each of 6 images; "
                              "it has x: uint8 (6, 8, 8, 3); y: other numbers (5): give --label-array another",
                              self.refusal(self.folder / name, "--label-array", "y"))
                self.assertIn("has no array z; it has x: uint8 (6, 8, 8, 3); y: other numbers (5): give --array another",
                              self.refusal(self.folder / name, "--array", "z"))
                self.assertIn("labels       none\n", self.convert(self.folder / name, out=f"{name}.set.h5").stdout)

    def test_hdf5_and_several_sources(self):
        pictures = images_of(7, 8)
        for name, part in (("a.h5", slice(0, 4)), ("b.h5", slice(4, 7))):
            with h5py.File(self.folder / name, "w") as file:
                file.create_dataset("pictures", data=pictures[part], chunks=(2, 8, 8, 1), compression="gzip")
                file["digit"] = np.arange(7)[part]
                file.create_group("more")
        self.convert(self.folder / "a.h5", self.folder / "b.h5")
        np.testing.assert_array_equal(self.stored()["images"], pictures)
        np.testing.assert_array_equal(self.stored()["labels"][:, 0], np.arange(7))
        self.assertEqual(list(self.stored()["classes"]), [7])

    def test_binary_files_of_cifar100(self):
        records = VALUES.integers(0, 20, (3, 3074), np.uint8)
        self.convert(self.file("train.bin", records.tobytes()))
        stored = self.stored()
        np.testing.assert_array_equal(stored["labels"], records[:, :2])
        np.testing.assert_array_equal(stored["images"], records[:, 2:].reshape(3, 3, 32, 32).transpose(0, 2, 3, 1))
        self.assertEqual(list(stored["classes"]), [20, 100])

    def test_imported_cifar10_is_seen_as_cifar10(self):
        """Decision 13: the same test images, labels and normalisation, and so the same activity of a trained network."""
        folder = self.cifar10()
        self.convert(*(folder / f"data_batch_{i}.bin" for i in range(1, 6)))
        self.convert(folder / "test_batch.bin", out="test.h5")
        text = (ROOT / "docs/decisions/0013-named-image-sets.md").read_text()
        mean, deviation = (re.search(rf"^{key} = (\[.*?\])", text, re.MULTILINE)[1] for key in ("mean", "deviation"))
        self.train("run", text=description(data=f'set = "cifar10"\nfolder = "{folder}"'))
        imported = ['data.set="images"', f'data.file="{self.folder}/set.h5"', f'data.test="{self.folder}/test.h5"',
                    f"data.mean={mean}", f"data.deviation={deviation}"]
        found = []
        for name, settings in (("named", []), ("imported", imported)):
            arguments = [part for setting in settings for part in ("--set", setting)]
            done = lpl_rate("eval", self.folder / "run.h5", "--activity", "--out", self.folder / f"{name}.h5", *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(self.folder / f"{name}.h5") as file:
                found.append({key: values[()] for key, values in file["activity"].items()})
        self.assertEqual(found[0]["pixels"].shape, (8, 32, 32, 3))
        for key, values in found[0].items():
            np.testing.assert_array_equal(found[1][key], values, key)

    def test_grey(self):
        self.file("flat/1.png", png(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]], np.uint8)))
        self.convert(self.folder / "flat", "--grey")
        self.assertEqual(self.stored()["images"].ravel().tolist(), [76, 150, 29, 18])

    def frames(self, folder, values):
        """Pictures of one value each, numbered from 1 without leading zeros."""
        for number, value in enumerate(values, 1):
            self.file(f"{folder}/frame_{number}.png", png(np.full((4, 4, 1), value, np.uint8)))

    def test_folders_of_frames(self):
        self.frames("films/b", range(12))
        self.frames("films/a", range(20, 25))
        done = self.convert(self.folder / "films", "--sequences", "--every", 2)
        self.assertIn("sequences    2, one frame in 2 kept\n", done.stdout)
        stored = self.stored()
        self.assertEqual(stored["images"][:, 0, 0, 0].tolist(), [20, 22, 24, 0, 2, 4, 6, 8, 10])
        self.assertEqual(stored["groups"].tolist(), [0] * 3 + [1] * 6)
        self.assertNotIn("labels", stored)

    def test_classes_of_sequences_and_one_sequence_alone(self):
        for folder, value in (("walk/1", 1), ("walk/2", 2), ("run/1", 3)):
            self.frames(f"films/{folder}", [value] * 2)
        self.convert(self.folder / "films", self.folder / "films", "--sequences")
        stored = self.stored()
        self.assertEqual(stored["images"][:6, 0, 0, 0].tolist(), [3, 3, 1, 1, 2, 2])
        self.assertEqual(stored["groups"].tolist(), np.repeat(range(6), 2).tolist())
        self.assertEqual(stored["labels"][:, 0].tolist(), [0, 0, 1, 1, 1, 1] * 2)
        self.assertEqual(stored["names"], b"run\nwalk")
        self.convert(self.folder / "films/walk/1", "--sequences", "--overwrite")
        self.assertEqual(self.stored()["groups"].tolist(), [0, 0])
        np.save(self.folder / "a.npy", images_of(2, 4))
        (self.folder / "set.h5").unlink()
        self.assertIn("a.npy: --sequences takes folders of pictures", self.refusal(self.folder / "a.npy", "--sequences"))

    def test_random_crops(self):
        """Of a ramp of 3 a pixel, 80 wide and 40 high, the ends of a crop's rows tell its place."""
        ramp = np.repeat(np.arange(0, 240, 3, dtype=np.uint8)[None, :, None], 40, 0)
        for name in ("a/1.png", "a/2.png", "b/3.png"):
            self.file(f"ramps/{name}", png(ramp))
        self.convert(self.folder / "ramps", "--side", 8, "--crops", 50)
        stored = self.stored()
        self.assertEqual(stored["images"].shape, (150, 8, 8, 3))
        self.assertEqual(stored["groups"].tolist(), np.repeat(range(3), 50).tolist())
        self.assertEqual(stored["labels"][:, 0].tolist(), [0] * 100 + [1] * 50)
        rows = stored["images"][:, 0, :, 0].astype(int)
        self.assertLessEqual(np.ptp(stored["images"].astype(int), axis=1).max(), 1)  # all rows of a crop are alike, rounded
        width = (rows[:, 5] - rows[:, 2]) / 3 * 8 / 3
        centre = (rows[:, 3] + rows[:, 4]) / 6
        self.assertGreater(width.min(), 0.8 * np.sqrt(0.08 * 80 * 40))
        self.assertLess(width.max(), 42)
        self.assertGreater(width.max(), 38)
        self.assertTrue((centre - width / 2 > -2).all() and (centre + width / 2 < 81).all())
        self.assertGreater(np.ptp(centre), 30)
        again = {}
        for seed in (1, 2):
            self.convert(self.folder / "ramps", "--side", 8, "--crops", 50, "--seed", seed, "--overwrite")
            again[seed] = self.stored()["images"]
        np.testing.assert_array_equal(again[1], stored["images"])
        self.assertTrue((again[2] != stored["images"]).any())
        for arguments, reason in ((["--crops", 2], "requires --side"), (["--side", 8, "--crops", 2, "--sequences"], "excludes"),
                                  (["--every", 2], "requires --sequences")):
            done = self.convert(self.folder / "ramps", *arguments, out="other.h5", code=2)
            self.assertIn(reason, done.stderr)

    def test_what_is_there_stays(self):
        path = self.file("a.npy", b"")
        np.save(path, images_of(2, 4))
        self.convert(path)
        before = (self.folder / "set.h5").read_bytes()
        done = self.convert(path, code=2)
        self.assertIn("is there already; give another --out, or --overwrite", done.stderr)
        self.assertEqual((self.folder / "set.h5").read_bytes(), before)
        done = lpl_rate("import", path, "--out", path, "--overwrite")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(np.load(path).shape, (2, 4, 4, 3))
        (self.folder / "thesis.txt").write_text("chapter one")
        done = self.convert(path, "--overwrite", out="thesis.txt", code=2)
        self.assertIn('thesis.txt: is a text that begins "chapter one", and --overwrite replaces only a set of images', done.stderr)
        self.assertEqual((self.folder / "thesis.txt").read_text(), "chapter one")
        (self.folder / "new.h5.part").write_text("chapter two")
        done = self.convert(path, "--overwrite", out="new.h5", code=2)
        self.assertIn('new.h5.part: is a text that begins "chapter two", and --overwrite replaces only a set of images', done.stderr)
        self.assertEqual((self.folder / "new.h5.part").read_text(), "chapter two")

    def test_goes_on_where_it_was_ended(self):
        pictures = images_of(400, side=300)
        np.save(self.folder / "big.npy", pictures)
        command = [LPL_RATE, "import", self.folder / "big.npy", "--out", self.folder / "set.h5", "--progress", "none"]
        done_file = self.folder / "set.h5.part.done"
        with subprocess.Popen(command, env=environment()) as process:
            while process.poll() is None and not done_file.exists():
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        self.assertFalse((self.folder / "set.h5").exists())
        identity, done = done_file.read_text().split()
        self.assertGreater(int(done), 0)
        with h5py.File(self.folder / "set.h5.part", "r+") as part:
            marked = part["images"][0] ^ 255  # stays: what is done is not done again
            part["images"][0] = marked
        lines = subprocess.run([*command[:-1], "lines"], env=environment(), capture_output=True, text=True, check=True)
        stored = self.stored()["images"]
        np.testing.assert_array_equal(stored[0], marked)
        np.testing.assert_array_equal(stored[1:], pictures[1:])
        self.assertFalse(done_file.exists(), lines.stderr)
        # Other options: from the beginning.
        (self.folder / "set.h5.part").write_bytes(b"")
        done_file.write_text(f"{identity}\n{done}\n")
        self.convert(self.folder / "big.npy", "--side", 30, "--overwrite")
        self.assertEqual(self.stored()["images"].shape, (400, 30, 30, 3))

    def test_nothing_stays_of_what_is_refused(self):
        """Its sources have to change: no import could go on from there, not from what an earlier one has left either."""
        for name, side in (("1.png", 9), ("2.png", 8)):
            self.file(f"sizes/{name}", png(images_of(1, side)[0]))
        before = sorted(self.folder.iterdir())
        self.assertIn("image 1 is 8 x 8 pixels, not 9 x 9: give --side", self.refusal(self.folder / "sizes"))
        self.assertEqual(sorted(self.folder.iterdir()), before)
        self.file("sizes/2.png", b"no picture")
        self.assertIn("2.png: cannot be read as a picture", self.refusal(self.folder / "sizes", "--side", 9))
        self.assertEqual(sorted(self.folder.iterdir()), before)

    def test_nothing_stays_where_there_is_no_room(self):
        np.save(self.folder / "big.npy", images_of(60, side=500))
        with small_disk(self.folder / "disk", "20m") as disk:
            self.assertIn("No space left on device", self.convert(self.folder / "big.npy", out="disk/set.h5", code=1).stderr)
            self.assertEqual(list(disk.iterdir()), [])

    def test_what_is_none(self):
        self.assertIn("holds no .png, .jpg or .jpeg", self.refusal(self.file("empty/x.txt", b"x").parent))
        self.assertIn("there is no file", self.refusal(self.folder / "absent.npy"))
        self.assertIn("is none of what is read", self.refusal(self.file("x.tar", b"abc")))
        self.assertIn("neither PNG nor JPEG; it is packed by gzip", self.refusal(self.file("bad/x.png", gzip.compress(b"x")).parent))


class Trained(ImagesTest):
    """Trainings on sets of images."""

    OFF = [f"data.augmentation.{name}=false" for name in ("crop", "flip", "jitter", "grey", "blur")]

    def write_set(self, name, count, side=32, channels=3, **labels):
        path = self.folder / name
        with h5py.File(path, "w") as file:
            file["images"] = images_of(count, side, channels)
            for key, values in labels.items():
                file[key] = values
        return path

    def text(self, extra="", **options):
        return description(data=f'set = "images"\nfile = "{self.folder}/train.h5"\n{extra}', **options)

    def setUp(self):
        super().setUp()
        self.write_set("train.h5", 40, labels=np.arange(40) % 4)

    def test_is_the_same_on_any_ranks_and_stored_in_any_way(self):
        text = self.text("test_fraction = 0.25")
        expected = self.train("one", text=text)
        self.assert_same(expected, self.train("three", text=text, ranks=3, threads=2))
        with h5py.File(self.folder / "train.h5", "r+") as file:
            images = file["images"][:]
            del file["images"]
            file.create_dataset("images", data=images, chunks=(7, 16, 32, 3), compression="gzip")
        packed = self.train("packed", text=text)
        for name in ("training/total", "readout/accuracy", "steps/total"):
            self.assertEqual(expected[name], packed[name], name)

    def test_splits(self):
        """10 of 40 for test, 6 of 30 for readouts: three steps of ten, ten and four."""
        self.train("fraction", text=self.text("test_fraction = 0.25"))
        with h5py.File(self.folder / "fraction.h5") as result:
            self.assertEqual(result["steps/total"].shape, (6,))
        seen = []
        for fold in range(4):
            self.train("fold", "training.epochs=1", "readout.pixels=true", text=self.text(f"folds = 4\nfold = {fold}"))
            done = lpl_rate("eval", self.folder / "fold.h5", "--activity", "--overwrite", "--out", self.folder / "e.h5")
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(self.folder / "e.h5") as judged:
                seen.append(judged["activity/pixels"][:].reshape(10, -1))
        self.assertEqual(len(np.unique(np.round(np.concatenate(seen), 3), axis=0)), 40)
        self.write_set("test.h5", 12, labels=np.arange(12) % 4)
        self.train("file", text=self.text(f'test = "{self.folder}/test.h5"'))
        with h5py.File(self.folder / "file.h5") as result:
            accuracy = result["readout/accuracy"][-1]
            np.testing.assert_allclose(accuracy * 12, np.round(accuracy * 12), atol=1e-12)

    def activity(self, part, *arguments):
        """What the images of a part cause in the network of run.h5."""
        done = lpl_rate("eval", self.folder / "run.h5", f"--activity={part}", "--overwrite", "--out", self.folder / "e.h5",
                        *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "e.h5") as judged:
            self.assertEqual(judged["activity"].attrs["part"], part.encode())
            return {name: values[()] for name, values in judged["activity"].items()}

    def test_activity_is_that_of_the_images_of_a_part_as_they_are(self):
        """In the order of the file, each image once, with its label; images of one value each tell which they are."""
        with h5py.File(self.folder / "train.h5", "r+") as file:
            labels = file["labels"][:]
            file["images"][...] = np.arange(0, 240, 6, np.uint8)[:, None, None, None]
        self.train("run", text=self.text("test_fraction = 0.25\nmean = [0.5]\ndeviation = [0.25]"))
        layers = {}

        def seen(part, count, *arguments):
            found = self.activity(part, *arguments)
            values = (found["pixels"] * 0.25 + 0.5) * 255 / 6
            np.testing.assert_allclose(values, np.broadcast_to(values[:, :1, :1, :1], values.shape), atol=1e-3)
            places = np.rint(values[:, 0, 0, 0]).astype(int)
            self.assertEqual((len(places), found["layer_8"].shape), (count, (count, 8)))
            self.assertTrue((np.diff(places) > 0).all(), places)
            np.testing.assert_array_equal(found["labels"].ravel(), labels[places])
            # Whatever an image is for, it causes the same activity.
            for place, activity in zip(places, found["layer_8"]):
                np.testing.assert_array_equal(layers.setdefault(place, activity), activity)
            return list(places)
        parts = seen("training", 24) + seen("validation", 6) + seen("test", 10)
        self.assertEqual(sorted(parts), list(range(40)))
        seen("training", 36, "--set", "data.test_fraction=0.1", "--set", "data.validation_fraction=0")
        refused = lpl_rate("eval", self.folder / "run.h5", "--set", "data.test_fraction=0.99", "--out", self.folder / "none.h5")
        self.assertRegex(refused.stderr, "learn from 0 images and are tested on 40 of .*; give it more images, or hold fewer of them out")

    def test_activity_of_images_without_labels(self):
        self.write_set("train.h5", 40)
        for name in ("labelled.h5", "test.h5"):
            self.write_set(name, 12, side=20, labels=np.arange(12) % 4)
        self.train("run", text=self.text(f'readout = "{self.folder}/labelled.h5"\ntest = "{self.folder}/test.h5"\nvalidation_fraction = 0'))
        found = self.activity("training")
        self.assertEqual((len(found["layer_1"]), "labels" in found), (40, False))
        refused = lpl_rate("eval", self.folder / "run.h5", "--activity=validation", "--out", self.folder / "none.h5")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--activity=validation: ", refused.stderr)
        self.assertIn("there are no such images", refused.stderr)
        refused = lpl_rate("eval", self.folder / "run.h5", "--activity=all", "--out", self.folder / "none.h5")
        self.assertEqual(refused.returncode, 2)
        self.assertIn('"all" is no part of the data; use training, validation or test', refused.stderr)
        self.assertFalse((self.folder / "none.h5").exists())

    def test_normalisation_is_measured_on_the_images_to_train_on(self):
        """Given, it is the same training."""
        text = self.text("test_fraction = 0\nvalidation_fraction = 0")
        settings = ["readout.wanted=false"]
        measured = self.train("measured", *settings, text=text)
        with h5py.File(self.folder / "train.h5") as file:
            values = file["images"][:].reshape(-1, 3) / 255
        given = [f"data.mean={values.mean(0).tolist()}", f"data.deviation={values.std(0, ddof=1).tolist()}"]
        with h5py.File(self.folder / "measured.h5") as result:
            expected = result["steps/total"][:]
        self.train("given", *settings, *given, text=text)
        with h5py.File(self.folder / "given.h5") as result:
            np.testing.assert_allclose(result["steps/total"][:], expected, rtol=1e-5)
        self.assertIn("given together", self.refused("data.mean=[0.5]", text=text))
        self.assertIsNotNone(measured)

    def test_validation_losses_are_of_the_images_held_out(self):
        """Images of one value each, a unit that only sums: losses say how the two parts of them vary."""
        values = np.array([10, 35, 90, 100, 180, 250], np.uint8)
        path = self.folder / "values.h5"
        with h5py.File(path, "w") as file:
            file["images"] = np.broadcast_to(values[:, None, None, None], (6, 8, 8, 3))
        data = f'set = "images"\nfile = "{path}"\nvalidation_fraction = 0.334\nmean = [0.5]\ndeviation = [0.25]\naugmentation = {{}}'
        settings = ["training.batch=4", "training.epochs=1", "optimizer.learning_rate=0", "readout.wanted=false",
                    "record.validation_every=1", *self.OFF]
        found = self.train("run", *settings, text=description(net=LINEAR, data=data))
        with h5py.File(self.folder / "run.h5") as result:
            weight = result["network/network.encoder.blocks.0.module.0.weight"][()].astype(float).sum()
            push = [result[f"{group}/push"][0, 0] for group in ("training", "validation")]
            self.assertAlmostEqual(result["validation/pull"][0, 0], 0, 12)
        activity = weight * (values / 255 - 0.5) / 0.25

        def loss(part):
            return -np.log(np.var(activity[part], ddof=1) + 1e-4)

        parts = [([i for i in range(6) if i not in held_out], list(held_out))
                 for held_out in itertools.combinations(range(6), 2)]
        fitting = [held_out for trained, held_out in parts
                   if np.allclose([loss(trained), loss(held_out)], push, rtol=1e-4)]
        self.assertEqual(len(fitting), 1, push)
        self.assertEqual(found["validation/total"][0], (1,))

    def test_validation_losses_of_no_images_are_refused(self):
        message = self.refused("record.validation_every=2", "data.validation_fraction=0", text=self.text("test_fraction = 0.2"),
                               arguments=["--set", "readout.wanted=false"])
        self.assertIn("record: 'validation_every' is 2", message)
        self.assertIn("has 0 images for validation: 2 or more have losses; give a larger data.validation_fraction", message)

    def test_too_few_images_to_train_on(self):
        """What to do depends on why they are few."""
        alone = ["readout.wanted=false", "training.batch=10"]
        for fraction, advice in ((0.9, "4 images to train on: give a batch of 2 to 4"), (0.95, "2 images to train on: give a batch of 2"),
                                 (0.975, "1 images to train on: give it more images, or hold fewer of them out "
                                         "(data.test_fraction, data.folds, data.validation_fraction)")):
            message = self.refused(*alone, text=self.text(f"test_fraction = {fraction}\nvalidation_fraction = 0"))
            self.assertRegex(message, rf"training: 'batch' is 10; .* has {re.escape(advice)}$")

    def test_augmentation_can_be_switched_off(self):
        """Without any, both views are the same: nothing to predict."""
        for settings, same in ((self.OFF, True), (self.OFF[1:], False)):
            self.train("run", "readout.wanted=false", *settings, text=self.text("augmentation = {}"))
            with h5py.File(self.folder / "run.h5") as result:
                self.assertEqual((result["steps/pull"][0] == 0).all(), same)

    def test_grey_images_of_another_side_and_several_labels(self):
        labels = np.stack([np.arange(40) % 3, np.arange(40) % 7], 1)
        path = self.write_set("train.h5", 40, side=28, channels=1, labels=labels)
        with h5py.File(path, "r+") as file:
            file["classes"] = [3, 8]
            file["labels"].attrs["columns"] = "kind\nsize"
        self.train("run", text=self.text("test_fraction = 0.25\nside = 32"))
        with h5py.File(self.folder / "run.h5") as result:
            self.assertEqual(result["readout/accuracy"].shape[1:], (8, 2))
            self.assertEqual(result["readout/accuracy"].attrs["labels"], b"kind,size")
            top5 = result["readout/top5_accuracy"][:]
            self.assertTrue((top5[..., 0] == 1).all())  # of three classes
            self.assertTrue((top5 >= result["readout/accuracy"][:]).all())
            self.assertLess(top5[..., 1].min(), 1)
            np.testing.assert_allclose(result["readout/accuracy"].attrs["chance"], [1 / 3, 1 / 8])

    def test_unlabelled_images_and_readouts_from_others(self):
        self.write_set("train.h5", 40)
        message = self.refused(text=self.text("test_fraction = 0.25"))
        self.assertIn("learn from images labelled by nothing", message)
        self.train("none", "readout.wanted=false", text=self.text())
        for name in ("labelled.h5", "test.h5"):
            self.write_set(name, 12, side=20, labels=np.arange(12) % 4)
        self.train("others", text=self.text(f'readout = "{self.folder}/labelled.h5"\ntest = "{self.folder}/test.h5"'))
        self.assertIn("labels", self.refused(text=self.text("test_fraction = 0.25", rule=SUPERVISED)))

    def test_frames_are_paired_with_later_ones(self):
        """Every second frame of a sequence is the same picture: nothing to predict at a gap of two."""
        pictures = images_of(16).repeat(3, 0).reshape(8, 2, 3, 32, 32, 3).swapaxes(1, 2).reshape(48, 32, 32, 3)
        with h5py.File(self.folder / "train.h5", "w") as file:
            file["images"] = pictures
            file["groups"] = np.repeat(np.arange(8) * 3, 6)
        text = self.text("validation_fraction = 0\naugmentation = {}")
        for gap, pairs in ((1, 40), (2, 32), (5, 8)):
            self.train("run", "readout.wanted=false", f"data.gap={gap}", f"training.batch={min(pairs, 20)}", *self.OFF, text=text)
            with h5py.File(self.folder / "run.h5") as result:
                self.assertEqual(result["steps/total"].shape, (2 * -(-pairs // 20),))
                pull = result["steps/pull"][0]
            self.assertTrue((pull == 0).all() if gap == 2 else (pull > 0).all(), (gap, pull))
        settings = ["readout.wanted=false", "data.gap=1"]
        self.assert_same(self.train("one", *settings, text=text), self.train("three", *settings, text=text, ranks=3))
        message = self.refused("data.gap=6", "readout.wanted=false", text=text)
        self.assertRegex(message, "data: 'gap' is 6; .* has 0 pairs of frames to train on: give a smaller gap, or longer sequences$")
        message = self.refused("data.gap=5", "record.validation_every=1", "readout.wanted=false", "training.batch=4", "data.validation_fraction=0.1",
                               text=text)
        self.assertRegex(message, "'validation_every' is 1; .* give a larger data.validation_fraction, or a smaller data.gap$")

    def test_splits_keep_groups_whole(self):
        """Four folds of eight groups of five: each has two groups."""
        with h5py.File(self.folder / "train.h5", "w") as file:
            file["groups"] = np.repeat(np.arange(8), 5)
            file["labels"] = np.arange(40) % 4
            file["images"] = images_of(8).repeat(5, 0)
        seen = []
        for fold in range(4):
            self.train("fold", "training.epochs=1", text=self.text(f"folds = 4\nfold = {fold}"))
            done = lpl_rate("eval", self.folder / "fold.h5", "--activity", "--overwrite", "--out", self.folder / "e.h5")
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(self.folder / "e.h5") as judged:
                pixels = judged["activity/pixels"][:].reshape(10, -1)
            self.assertTrue((pixels.reshape(2, 5, -1) == pixels[::5, None]).all())
            seen.append(pixels[::5])
        self.assertEqual(len(np.unique(np.round(np.concatenate(seen), 3), axis=0)), 8)

    def test_what_is_refused_of_groups(self):
        self.assertIn("has no sequences (/groups); lpl_rate import --sequences makes such a set",
                      self.refused("data.gap=1", "readout.wanted=false", text=self.text()))
        for groups, reason in ((np.arange(39), "/groups: "), ([0] * 20 + [2] * 10 + [1] * 10, "image 30 has the group 1, after 2")):
            with h5py.File(self.folder / "train.h5", "r+") as file:
                file.pop("groups", None)
                file["groups"] = groups
            self.assertIn(reason, self.refused(text=self.text("test_fraction = 0.25")))

    def test_what_is_refused(self):
        for extra, reason in (
            ("folds = 4\nfold = 4", "'fold' is 4; it must be from 0 to 3"),
            ("folds = 4\nfold = 1\ntest_fraction = 0.1", "one of 'test' (a file), 'test_fraction' and 'folds'"),
            ("test_fraction = 1", "below 1"),
            ("mean = [0.1, 0.2]\ndeviation = [0.1]", "it takes 3, for red, green and blue, or 1 for all"),
            ("augmentation = { blurr = true }", "blurr"),
            ('test = "absent.h5"', "lpl_rate import"),
            ("", "readouts learn from 8 images and are tested on 0 of "),
        ):
            with self.subTest(extra=extra):
                self.assertIn(reason, self.refused(text=self.text(extra)))
        for name, values, reason in (
            ("labels", np.arange(39), "train.h5/labels: "), ("labels", -np.ones(40, "i8"), "image 0 has the class -1"),
            ("classes", [3], "image 3 has the class 3; expected 0 to 2"), ("images", np.zeros((40, 8, 9, 3), "u1"), "/images: "),
            ("images", np.zeros((40, 32, 32, 3)), "/images: "), ("columns", "a,b", "column 0 has the name \"a,b\""),
        ):
            with self.subTest(name=name, reason=reason):
                content = {"images": images_of(40), "labels": np.arange(40) % 4, name: values}
                with h5py.File(self.folder / "train.h5", "w") as file:
                    for key, value in content.items():
                        if key != "columns":
                            file[key] = value
                    file["labels"].attrs["columns"] = content.get("columns", "class")
                self.assertIn(reason, self.refused(text=self.text("test_fraction = 0.25")))
        self.write_set("train.h5", 40, labels=np.arange(40) % 4)
        with h5py.File(self.folder / "train.h5", "r+") as file:
            file["images"][..., 2] = 9
        self.assertIn("every blue value of the images to train on is 9", self.refused(text=self.text("test_fraction = 0.25")))


if __name__ == "__main__":
    unittest.main()
