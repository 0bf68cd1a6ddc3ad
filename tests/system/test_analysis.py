#!/usr/bin/env python3
"""The analysis reads every state of a result file, and its exports come back unchanged."""

import os
import pathlib
import re
import signal
import subprocess
import unittest

from analysis_runs import NETWORK, WINDOWS, AnalysisTest, lpl
from support import EXAMPLES, ROOT, h5py, lpl_rate, lpl_sim

import numpy as np

from lpl_analysis import export, identity, output, selectivity
from lpl_analysis.results import Result, ResultError


def read_as_libsonata(file, population):
    """Times [ms], node ids and data of a report, by the steps of libsonata's reader."""
    group = file[f"report/{population}"]
    ids, pointers = group["mapping/node_ids"][:], group["mapping/index_pointers"][:]
    assert len(pointers) == len(ids) + 1 and group["mapping/node_ids"].attrs["sorted"]
    start, stop, step = group["mapping/time"][:]
    assert group["mapping/time"].attrs["units"] == b"ms" and group["data"].attrs["units"]
    assert group["data"].dtype == np.float32 and len(group["mapping/element_ids"]) == pointers[-1]
    times, t = [], start
    while t < stop - 1e-6:
        times.append(t)
        t += step
    return np.array(times), ids, np.array([group["data"][i] for i in range(len(times))])


def read_as_bmtk(file, population, node):
    """Times [ms] and trace of a node, by the steps of bmtk's reader."""
    mapping, data = file[f"report/{population}/mapping"], file[f"report/{population}/data"]
    start, stop, step = (float(value) for value in mapping["time"])
    count = int((stop - start) / step)
    at = list(mapping["node_ids"]).index(node)
    columns = slice(mapping["index_pointer"][at], mapping["index_pointer"][at + 1])
    assert len(mapping["element_pos"][columns]) == 1
    return start + step * np.arange(count), data[0:count, columns][:, 0]


class ResultFiles(AnalysisTest):
    def test_readers_of_sonata_find_every_sample_at_its_time(self):
        with h5py.File(self.windows()) as file:
            self.assertEqual(set(file["report"]), {"exc", "exc.v.2", "exc.t", "exc.m", "inh"})
            # Samples are taken at multiples of the interval: in steps of 0.1 ms, first and after the last of each.
            expected = {"exc": (9000, 10002, 3), "exc.v.2": (29007, 30006, 3), "exc.t": (0, 30030, 70),
                        "exc.m": (10000, 30100, 100), "inh": (0, 40000, 10000)}
            for name, (first, after, every) in expected.items():
                times, ids, data = read_as_libsonata(file, name)
                steps = np.arange(first, after, every)
                self.assertEqual(len(data), len(file[f"report/{name}/data"]), name)
                np.testing.assert_allclose(times, steps * 0.1, atol=1e-6, err_msg=name)
                np.testing.assert_allclose(file[f"report/{name}/time"][:], steps * 1e-4, atol=1e-9, err_msg=name)
                for i, node in enumerate(ids):
                    bmtk_times, trace = read_as_bmtk(file, name, node)
                    np.testing.assert_allclose(bmtk_times, times, atol=1e-6, err_msg=name)
                    np.testing.assert_array_equal(trace, data[:, i])
            self.assertEqual(file["report/exc/mapping/node_ids"][:].tolist(), [1, 5])
            self.assertEqual(file["report/exc.m/data"].attrs["variable"], b"input_exc.mean")
            self.assertEqual(file["report/exc.v.2"].attrs["population"], b"exc")
            for source in file["spikes"].values():
                self.assertTrue((np.diff(source["timestamps"][:]) >= 0).all())
                self.assertEqual(h5py.check_enum_dtype(source.attrs.get_id("sorting").dtype)["by_time"],
                                 source.attrs["sorting"])
            # Bins end with their windows; snapshots are of the phases that the record names.
            np.testing.assert_allclose(file["rates/exc/time"][:], [0.5, 0.6, 0.9, 2.5005, 2.7, 3.0])
            np.testing.assert_allclose(file["rates/exc/end"][:], [0.6, 0.9, 1.0, 2.7, 3.0, 3.0005])
            self.assertEqual([name for name in file["weights/input_exc"]],
                             ["initial", "second", *(f"step_{k:012}" for k in range(12000, 30000, 4000))])

    def test_samples_do_not_depend_on_the_windows_around_them(self):
        with h5py.File(self.windows()) as file:
            parts = [(file[f"report/{name}/time"][:], file[f"report/{name}/data"][:]) for name in ("exc", "exc.v.2")]
        with h5py.File(self.windows("record.v.last=10 s")) as file:
            self.assertEqual(set(file["report"]), {"exc", "exc.t", "exc.m", "inh"})
            whole = dict(zip(np.rint(file["report/exc/time"][:] * 1e4), file["report/exc/data"][:].tolist()))
        for times, data in parts:
            self.assertEqual([whole[step] for step in np.rint(times * 1e4)], data.tolist())

    def test_a_record_without_a_sample_is_refused(self):
        for setting, message in (("record.v.last=0.2 ms", "none lies in what is recorded (first from 0.9998 to 1 s)"),
                                 ("record.v.phases=[]", "lists no phase")):
            done = lpl_sim(self.write("windows.sim", WINDOWS), "--check", "--set", setting, "--set", "record.v.every=7 ms")
            self.assertEqual(done.returncode, 2, setting)
            self.assertIn("windows.sim", done.stderr)
            self.assertIn(message, done.stderr)

    def test_recorded_state_is_read_and_exported(self):
        path = self.windows()
        with Result(path) as result, h5py.File(path) as file:
            self.assertEqual(set(result.reports()), {"v", "t", "m", "i"})
            report = result.report("v")
            self.assertEqual((report.variable, report.unit, report.neurons.tolist()), ("V", "V", [1, 5]))
            first, second = file["report/exc/time"][:], file["report/exc.v.2/time"][:]
            np.testing.assert_array_equal(report.time, [*first, np.nan, *second])
            self.assertTrue(np.isnan(report.data[len(first)]).all())
        for name in ("v.csv", "v.npz"):
            self.assertEqual(lpl("state", path, "v", "-o", self.folder / name).returncode, 0)
        table, arrays = np.loadtxt(self.folder / "v.csv", delimiter=",", skiprows=1), np.load(self.folder / "v.npz")
        np.testing.assert_array_equal(arrays["time"], [*first, *second])
        np.testing.assert_array_equal(table[:, 1:].astype("f4"), arrays["value"])
        refused = lpl("state", path, "v", "-o", self.folder / "v.h5")
        self.assertIn("choose one with --window", refused.stderr)
        self.assertEqual(lpl("state", path, "v", "-o", self.folder / "v.h5", "--window", "2").returncode, 0)
        with h5py.File(self.folder / "v.h5") as sonata:
            self.assertEqual(list(sonata["report"]), ["exc"])
            times, ids, data = read_as_libsonata(sonata, "exc")
            np.testing.assert_allclose(times, second * 1e3, atol=1e-6)
            np.testing.assert_array_equal(data, arrays["value"][len(first):])

    def test_seconds_that_were_not_recorded_are_not_silent(self):
        path = self.windows()
        with Result(path) as result:
            rows = selectivity.analyse(result, selectivity.find_pathway(result))
            self.assertEqual([(row["begin"], row["end"]) for row in rows], [(0.5, 1.0), (2.5005, 3.0005)])
            for row in rows:
                ids = result.spikes("exc", row["begin"], row["end"])[1]
                self.assertAlmostEqual(row["rate"], len(ids) / 12 / 0.5)
                self.assertIn("no decoding: 0.5 s were recorded", row["notes"][0])
        self.assertIn("n/a", lpl("selectivity", path).stdout)

    def test_names_of_groups_may_hold_anything(self):
        path = self.windows("record.spikes.last=10 s")
        with Result(path) as result:
            self.assertEqual([group.name for group in result.groups("input")], ["A,left", "_B$x$"])
            rows = selectivity.analyse(result, selectivity.find_pathway(result))
        printed = lpl("selectivity", path, "--picture", self.folder / "p.png").stdout
        header, row = printed.splitlines()[1], printed.splitlines()[2]
        for name in ("A,left", "_B$x$"):
            self.assertIn(f"R2 {name}", header)
            self.assertIn(f"w {name}", header)
        self.assertIn(f"{rows[0]['r2'][1]:.3f}", row)
        self.assert_says(self.report(path), "R² of _B$x$")

    def test_files_of_version_0_1_are_read(self):
        path = self.windows("record.spikes.last=10 s")
        old = self.folder / "old.h5"
        with h5py.File(path) as file, h5py.File(old, "w") as past:
            for name, value in file.attrs.items():
                past.attrs[name] = value
            for name in ("config", "network", "phases", "spikes", "rates", "weights"):
                file.copy(name, past)
            past["network/input"].attrs["groups"] = b"A,left,_B$x$"
            past["network/exc"].attrs["groups"] = b"exc"
            for source in past["spikes"].values():
                del source.attrs["recorded"]
            del past["rates/exc/end"]
            file.copy("report/exc", past.create_group("report"), name="v")
            for name in ("record", "population"):
                del past["report/v"].attrs[name]
            past["report/v/mapping/time"][:] = 900.0, 3000.5, 0.3
            times = file["report/exc/time"][:]
        with Result(old) as result:
            self.assertEqual(result.reports(), ["v"])
            np.testing.assert_array_equal(result.report("v").time, times)
            # Two groups, three names: they cannot be told apart.
            self.assertEqual([group.name for group in result.groups("input")], ["group 1", "group 2"])
            self.assertEqual(result.bins("exc")[1][0], 0.5 + 0.3)
        self.report(old)
        self.assertEqual(lpl("state", old, "v", "-o", self.folder / "old_v.h5").returncode, 0)
        with h5py.File(self.folder / "old_v.h5") as sonata:
            np.testing.assert_allclose(sonata["report/v/mapping/time"][:], [900.0, 900.0 + 0.3 * len(times), 0.3])

    def test_what_is_missing_is_named(self):
        path = self.network()
        with h5py.File(path, "r+") as file:
            del file["rates/exc/rate"], file["spikes/exc/node_ids"], file["phases/run"].attrs["end"]
            file["spikes/input/timestamps"].attrs["units"] = "s"
        for arguments, message in ((("spikes", path, "exc", "-o", self.folder / "o.npz"), "there is no /spikes/exc/node_ids"),
                                   (("spikes", path, "input", "-o", self.folder / "o.npz"), "is in 's'; lpl_sim writes ms"),
                                   (("report", path, "-o", self.folder / "o.html"), "run.h5: "),
                                   (("info", path), "/phases/run has no attribute 'end'")):
            done = lpl(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)

    def test_outputs_spare_what_is_there(self):
        path = self.network()
        before = path.read_bytes()
        link, twin, other = (self.folder / name for name in ("link.html", "twin.html", "notes.html"))
        link.symlink_to(path)
        os.link(path, twin)
        other.write_text("mine")
        os.mkfifo(self.folder / "pipe.html")
        commands = {"report": ("report", path, "-o"), "selectivity": ("selectivity", path, "--picture"),
                    "spikes": ("spikes", path, "exc", "-o"), "weights": ("weights", path, "input_exc", "-o"),
                    "state": ("state", path, "state", "-o"), "export": ("export", path, "rates/exc/rate", "-o")}
        for name, command in commands.items():
            for target, message in ((path, "is also read"), (link, "is also read"), (twin, "is also read"),
                                    (other, "is there already"), (self.folder, "is no regular file"),
                                    (self.folder / "pipe.html", "is no regular file"),
                                    (self.folder / "none" / "x.html", "there is no folder")):
                for more in (("--overwrite",), ()) if "also" in message or "regular" in message else ((),):
                    done = lpl(*command, target, *more)
                    self.assertEqual(done.returncode, 2, (name, target))
                    self.assertIn(message, done.stderr)
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(other.read_text(), "mine")
        self.assertFalse([entry for entry in self.folder.iterdir() if entry.name.startswith(".")])

    def test_outputs_are_replaced_where_that_is_asked_for(self):
        path, page, table = self.network(), self.folder / "page.html", self.folder / "rate.csv"
        for _ in range(2):  # a page of ours is replaced
            self.assertEqual(lpl("report", path, "-o", page).returncode, 0)
            self.assertEqual(lpl("selectivity", path, "--picture", self.folder / "p.png").returncode, 0)
        real = self.folder / "real.csv"
        real.write_text("old")
        real.chmod(0o640)
        table.symlink_to(real)
        self.assertEqual(lpl("export", path, "rates/exc/rate", "-o", table, "--overwrite").returncode, 0)
        self.assertTrue(table.is_symlink())
        self.assertEqual(len(real.read_text().split()), 30)
        self.assertEqual(real.stat().st_mode & 0o777, 0o640)
        with self.assertRaises(ZeroDivisionError), output.replacing(real) as new:
            new.write_text("half")
            raise ZeroDivisionError
        self.assertEqual(len(real.read_text().split()), 30)

    def test_the_size_of_a_result_is_told_before(self):
        """Of known counts: 2000 samples of 8 neurons, and five snapshots of some 100,000 synapses."""
        source = self.write("size.sim", """
simulation = { seed = 3 }
connection = [{ name = "c", from = "input", to = "exc", density = 0.5, weight = 0.01 }]
phase = [{ name = "run", duration = "500 ms" }]
population = [{ name = "exc", cell = "if", size = 400 }]
stimulus = [{ name = "input", type = "poisson", size = 500, rate = "20 Hz" }]
record = [{ what = "state", of = "exc", variable = "V", neurons = [0, 1, 2, 3, 4, 5, 6, 7], every = "0.1 ms", last = "200 ms" },
          { what = "weights", of = "c", every = "150 ms" }]
""")
        said = []
        for arguments in (("--check",), ("--dry-run", "3")):
            done = lpl_sim(source, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            said.append(float(re.search(r"result file +about ([\d.]+) MB.*assumed: neurons fire at 10 Hz", done.stdout)[1]))
        self.assertEqual(said[0], said[1])
        self.assertEqual(lpl_sim(source, "--out", self.folder / "size.h5", "--progress", "none").returncode, 0)
        real = (self.folder / "size.h5").stat().st_size * 1e-6
        self.assertAlmostEqual(said[0] / real, 1, delta=0.2)

    def test_the_size_of_a_training_result_is_told_before(self):
        source = EXAMPLES / "shapes.rate"
        settings = [part for setting in (
            "training.batch=16", "training.epochs=2", "optimizer.warmup_epochs=1",
            "data={set='scenes', trajectories=50, blocks_per_epoch=1, readout_blocks=1, test_blocks=1}",
            "net.vgg11.channels=[8, 8, 16, 16, 64, 64, 64, 64]", "readout={pixels=false, untrained=false, epochs=1}",
            "record.parameters=[1, 2]") for part in ("--set", setting)]
        done = lpl_rate(source, "--check", *settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = float(re.search(r"result file +about ([\d.]+) MB", done.stdout)[1])
        done = lpl_rate(source, "--out", self.folder / "r.h5", "--progress", "none", *settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertAlmostEqual(said / ((self.folder / "r.h5").stat().st_size * 1e-6), 1, delta=0.2)

    def test_steps_beyond_32_bits_are_refused(self):
        times, ids = np.array([0.0, 429496.7295]), np.array([0, 1])
        self.assertEqual(export.auryn_records(times, ids, 1e-4)[-1].tolist(), [2**32 - 1, 1])
        with self.assertRaisesRegex(ResultError, "steps up to 4294967295, 429497 s .* at 429496.7296 s"):
            export.auryn_records(times + 1e-4, ids, 1e-4)
        with self.assertRaisesRegex(ResultError, "last 0.0003 s"):
            export.auryn_records(times[:1], ids[:1], 3e-4)

    def test_a_run_is_known_by_the_files_it_reads(self):
        folder = self.folder / "d"
        folder.mkdir()
        source = folder / "x.sim"
        source.write_text('cell = "own"\nstimulus = [{ file = "in.ras" }]\ndata = "images"\n')
        (folder / "own.cell").write_text("1")
        (folder / "in.ras").write_text("2")
        (folder / "other.ras").write_text("3")
        (folder / "images").mkdir()
        (folder / "images/a.bin").write_text("4")
        names = {pathlib.Path(path).name for path in identity.inputs(source, [])}
        self.assertEqual(names, {"x.sim", "own.cell", "in.ras", "a.bin"})
        for setting in ('stimulus.0.file="other.ras"', "stimulus.0.file=other.ras"):
            self.assertIn("other.ras", {pathlib.Path(path).name for path in identity.inputs(source, [setting])})
        before = identity.digest(source, ["a=1"])
        self.assertEqual(before, identity.digest(source, ["a=1"]))
        self.assertNotEqual(before, identity.digest(source, ["a=2"]))
        then = identity.inputs(source, [])
        for name in ("own.cell", "in.ras", "images/a.bin", "x.sim"):
            text = (folder / name).read_text()
            (folder / name).write_text(text + " ")
            self.assertNotEqual(before, identity.digest(source, ["a=1"]), name)
            self.assertEqual([pathlib.Path(path).name for path in identity.changed(then, identity.inputs(source, []))],
                             [pathlib.Path(name).name])
            (folder / name).write_text(text)
        self.assertEqual(before, identity.digest(source, ["a=1"]))

    def test_spikes_come_back_through_auryns_format(self):
        path = self.network()
        spk, ras, npz, csv = (self.folder / f"input.{ending}" for ending in ("spk", "ras", "npz", "csv"))
        for out in (spk, ras, npz, csv):
            self.assertEqual(lpl("spikes", path, "input", "-o", out).returncode, 0)
        source = NETWORK[:NETWORK.index("[[stimulus]]")].replace("DURATION", "3 s").replace(
            '{ what = "group_weights", of = "input_exc", every = "100 ms" },', "")
        source += '[[stimulus]]\nname = "input"\ntype = "spikes"\nsize = 80\nfile = "input.spk"\n'
        with h5py.File(path) as before:
            times, ids = before["spikes/input/timestamps"][:], before["spikes/input/node_ids"][:]
            for file in (spk, ras):
                again = self.folder / f"again{file.suffix}.h5"
                done = lpl_sim(self.write("again.sim", source), "--set", f'stimulus.input.file="{file.name}"', "--out",
                               again, "--progress", "none")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("warning", done.stderr)
                with h5py.File(again) as after:
                    for name in ("input/timestamps", "input/node_ids", "exc/timestamps", "exc/node_ids"):
                        np.testing.assert_array_equal(before[f"spikes/{name}"], after[f"spikes/{name}"])
        arrays, table = np.load(npz), np.loadtxt(csv, delimiter=",", skiprows=1)
        np.testing.assert_array_equal(arrays["time"], times * 1e-3)
        np.testing.assert_array_equal(arrays["neuron"], ids)
        np.testing.assert_allclose(table[:, 0], times * 1e-3, atol=1e-9)
        np.testing.assert_array_equal(table[:, 1], ids)

    def test_spikes_of_a_span(self):
        path, out = self.network(), self.folder / "some.npz"
        self.assertEqual(lpl("spikes", path, "input", "-o", out, "--begin", 1, "--end", 2).returncode, 0)
        with h5py.File(path) as file:
            times = file["spikes/input/timestamps"][:] * 1e-3
        np.testing.assert_array_equal(np.load(out)["time"], times[(times >= 1 - 1e-9) & (times < 2 - 1e-9)])

    def test_weights_come_back_through_matrix_market(self):
        path = self.network()
        for name in ("w.wmat", "w.npz", "w.csv"):
            self.assertEqual(lpl("weights", path, "input_exc", "-o", self.folder / name).returncode, 0)
        source = NETWORK.replace("DURATION", "1 s").replace("density = 0.5, weight = 0.6", 'file = "w.wmat"')
        again = self.folder / "again.h5"
        done = lpl_sim(self.write("again.sim", source), "--out", again, "--progress", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        arrays, table = np.load(self.folder / "w.npz"), np.loadtxt(self.folder / "w.csv", delimiter=",", skiprows=1)
        with h5py.File(path) as before, h5py.File(again) as after:
            for column, name in enumerate(("pre", "post", "value")):
                last = before[f"weights/input_exc/run/{name}"][:]
                np.testing.assert_array_equal(after[f"weights/input_exc/initial/{name}"][:], last)
                np.testing.assert_array_equal(arrays[name], last)
                np.testing.assert_array_equal(table[:, column].astype(last.dtype), last)
        first = self.folder / "first.npz"
        self.assertEqual(lpl("weights", path, "input_exc", "-o", first, "--snapshot", "initial").returncode, 0)
        self.assertTrue((np.load(first)["value"] == np.float32(0.6)).all())

    def test_the_program_finds_its_python(self):
        done = subprocess.run([ROOT / "scripts/lpl.py", "info", self.network()], capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("lpl_sim", done.stdout)

    def test_quiet_where_the_reader_ends_first(self):
        path = self.network()
        for command in (["info", path], ["export", path, "rates/exc/rate", "-o", self.folder / "rate.csv"]):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run([ROOT / "scripts/lpl.py", *command], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
            os.close(writer)
            self.assertEqual((done.returncode, done.stderr), (-signal.SIGPIPE, ""), command[0])
        self.assertGreater(np.loadtxt(self.folder / "rate.csv").size, 0)

    def test_any_dataset(self):
        path = self.network()
        for name in ("rate.csv", "rate.npy"):
            self.assertEqual(lpl("export", path, "rates/exc/rate", "-o", self.folder / name).returncode, 0)
        with h5py.File(path) as file:
            rate = file["rates/exc/rate"][:]
        np.testing.assert_array_equal(np.loadtxt(self.folder / "rate.csv").astype("f4"), rate)
        np.testing.assert_array_equal(np.load(self.folder / "rate.npy"), rate)

    def test_misuse_is_told(self):
        path, out = self.network(), self.folder / "out"
        self.write("text.h5", "no HDF5")
        with h5py.File(self.folder / "foreign.h5", "w") as file:
            file["x"] = 1
        for arguments, message in (
            (("info", self.folder / "none.h5"), "there is no file"),
            (("info", self.folder / "text.h5"), "cannot be read as HDF5"),
            (("report", self.folder / "foreign.h5", "-o", out), "no result file of lpl_sim or lpl_rate"),
            (("spikes", path, "inh", "-o", out), "no spikes of 'inh' were recorded; there are those of exc, input"),
            (("spikes", path, "exc", "-o", out), "use .csv, .npz, .spk, .ras"),
            (("weights", path, "nothing", "-o", out), "there are those of input_exc"),
            (("weights", path, "input_exc", "--snapshot", "end", "-o", out), "there are initial, run"),
            (("weights", path, "input_exc", "-o", out), "use .csv, .npz, .wmat, .mtx"),
            (("export", path, "rates/exc", "-o", out), "there is no dataset rates/exc"),
            (("export", path, "rates/none", "-o", out), "there is no /rates/none"),
            (("state", path, "u", "-o", out), "no state 'u' was recorded; there are state"),
            (("state", path, "state", "-o", out), "use .csv, .npz, .h5"),
            (("state", path, "state", "-o", out, "--window", "2"), "--window is 2; 'state' has 1"),
            (("spikes", path, "exc", "-o", out, "--begin", "2", "--end", "1"), "there is no time between"),
            (("spikes", path, "exc", "-o", out, "--end", "nan"), "there is no time between"),
            (("export", path, "rates/exc/rate", "-o", out), "goes to .npy or .csv"),
        ):
            done = lpl(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
