#!/usr/bin/env python3
"""The build: one program alone, flags of the user, the revision; and what its scripts say."""

import os
import pathlib
import shutil
import subprocess
import unittest
import unittest.mock

from support import ROOT, InFolder

LOG = """3/40 Test: unit
[ RUN      ] Device.Adds
backend_test.cpp:47: Skipped
there is no device

[  SKIPPED ] Device.Adds (0 ms)
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] Device.Adds
4/40 Test: system_rate
test_bfloat16 (__main__.Rate) ... skipped 'this processor has no avx512_bf16'
test_other (__main__.Rate) ... ok
5/40 Test: recorded_cases_not_here
skipped: there is no a.h5 in b
"""


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)


class Build(InFolder):
    def configure(self, *options):
        shutil.rmtree(self.folder / "build", ignore_errors=True)
        return run("cmake", "-S", ROOT, "-B", self.folder / "build", "-G", "Ninja", "-DLPL_TESTS=OFF", *options)

    def test_one_program_needs_its_own_dependencies_only(self):
        for option, absent, program in (("-DLPL_RATE=OFF", ("Eigen3", "OpenMP", "nlohmann_json"), "bin/lpl_sim"),
                                        ("-DLPL_SPIKING=OFF", (), "bin/lpl_rate")):
            with self.subTest(option=option):
                done = self.configure(option, *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in absent))
                self.assertEqual(done.returncode, 0, done.stderr)
                cache = (self.folder / "build/CMakeCache.txt").read_text()
                self.assertEqual("DNNL_LIBRARY" in cache, option != "-DLPL_RATE=OFF")
                ninja = (self.folder / "build/build.ninja").read_text()
                self.assertEqual([name for name in ("bin/lpl_sim", "bin/lpl_rate") if f"build {name}:" in ninja], [program])

    def test_nothing_to_build_is_refused(self):
        for options, message in ((("-DLPL_RATE=OFF", "-DLPL_SPIKING=OFF"), "nothing is left to build"),
                                 (("-DLPL_RATE=OFF", "-DLPL_CUDA=ON"), "LPL_CUDA is ON but LPL_RATE")):
            done = self.configure(*options)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, " ".join(done.stderr.split()))

    def cuda_libraries(self):
        """Where the toolkit, if there is one, has cuDNN and NCCL: folders of libraries and of headers."""
        if not shutil.which("nvcc") and not pathlib.Path("/usr/local/cuda/bin/nvcc").exists():
            self.skipTest("no nvcc")
        done = self.configure("-DLPL_CUDA=ON", "-DLPL_SPIKING=OFF")
        if done.returncode != 0:
            self.skipTest("the CUDA backend cannot be built here: " + done.stderr[-300:])
        found = self.cache()
        if not found["NCCL_LIBRARY"].endswith(".so"):
            self.skipTest("no NCCL here")
        return found

    def cache(self):
        lines = (self.folder / "build/CMakeCache.txt").read_text().splitlines()
        return {line.split(":")[0]: line.partition("=")[2] for line in lines if ":" in line and "=" in line}

    def wheel(self, folder, library, headers, include):
        """A folder as a package of PyTorch's has it: a library of versioned name only, headers beside it."""
        for part in ("lib", "include"):
            (folder / part).mkdir(parents=True)
        (folder / "lib" / library.resolve().name).symlink_to(library.resolve())
        for path in pathlib.Path(include).glob(headers):
            (folder / "include" / path.name).symlink_to(path)
        return folder

    def test_cuda_libraries_are_found_in_packages_of_python_and_where_they_are_told_to_be(self):
        found = self.cuda_libraries()
        packages = self.folder / "site-packages"
        include = found["CUDNN_INCLUDE"]
        library = {name: pathlib.Path(found[variable]) for name, variable in
                   (("cudnn", "CUDNN_LIBRARY"), ("nccl", "NCCL_LIBRARY"), ("cublas", "CUDA_cublas_LIBRARY"))}
        cudnn = self.wheel(packages / "nvidia/cudnn", library["cudnn"], "cudnn*.h", include)
        nccl = self.wheel(packages / "nvidia/nccl", library["nccl"], "nccl.h", include)
        cublas = self.wheel(packages / "nvidia/cublas", library["cublas"], "cublas*.h", include)
        elsewhere = self.wheel(self.folder / "elsewhere", library["cudnn"], "cudnn*.h", include)
        # The toolkit's own are out of sight, but for the runtime.
        folder = library["cudnn"].parent
        names = [name for name in folder.parent.iterdir() if name.resolve() == folder.resolve()]
        hidden = ";".join(map(str, [*names, include]))
        blind = ["-DLPL_CUDA=ON", "-DLPL_SPIKING=OFF", f"-DCMAKE_IGNORE_PATH={hidden}",
                 *(f"-D{name}={found[name]}" for name in ("CUDA_CUDART", "CUDA_cudart_LIBRARY"))]
        with unittest.mock.patch.dict(os.environ, {"PYTHONPATH": str(packages)}):
            done = self.configure(*blind)
            self.assertEqual(done.returncode, 0, done.stderr)
            cache = self.cache()
            self.assertEqual([cache["CUDNN_LIBRARY"], cache["CUDNN_INCLUDE"], cache["NCCL_LIBRARY"], cache["NCCL_INCLUDE"]],
                             [f"{cudnn}/lib/libcudnn.so.9", f"{cudnn}/include", f"{nccl}/lib/libnccl.so.2", f"{nccl}/include"])
            self.assertEqual(pathlib.Path(cache["CUBLAS_LIBRARY"]).parent, cublas / "lib")
            with unittest.mock.patch.dict(os.environ, {"CUDNN_PATH": str(elsewhere)}):
                self.assertEqual(self.configure(*blind).returncode, 0)
            self.assertEqual(self.cache()["CUDNN_LIBRARY"], f"{elsewhere}/lib/libcudnn.so.9")
            # One device needs no NCCL, and none is linked.
            shutil.rmtree(nccl)
            done = self.configure(*blind)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("No NCCL: lpl_rate computes on one device. For several ranks set NCCL_HOME", done.stdout)
            ninja = (self.folder / "build/build.ninja").read_text()
            self.assertIn("no_exchange.cpp.o", ninja)
            self.assertNotIn("libnccl", ninja)
            shutil.rmtree(cudnn)
            done = self.configure(*blind)
            self.assertEqual(done.returncode, 1)
            message = " ".join(done.stderr.split())
            for part in ("cuDNN 9 was not found", "Set CUDNN_PATH to the folder above its lib and include",
                         "-DCUDNN_LIBRARY=.../libcudnn.so.9"):
                self.assertIn(part, message)

    def test_the_check_of_a_gpu_says_what_it_needs(self):
        script = ROOT / "scripts/gpu_check.sh"
        for arguments, status, said in ((["--help"], 0, "FOLDER/gpu_check.sh rehearse"), (["pack"], 2, "gpu_check.sh pack FOLDER"),
                                        (["tests", "test"], 2, "no phase test; known: probe, tests"),
                                        (["pack", self.folder / "out", self.folder], 2, "gpu_check.sh pack: no ")):
            with self.subTest(arguments):
                done = run(script, *arguments)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(said, done.stdout + done.stderr)
        self.assertFalse((self.folder / "out").exists())

    def test_flags_of_the_user_are_kept(self):
        done = self.configure("-DCMAKE_CXX_FLAGS=-g3", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG", "-DLPL_RATE=OFF")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [line.split() for line in (self.folder / "build/build.ninja").read_text().splitlines()]
        compilations = [words for words in lines if words[:1] == ["FLAGS"] and "-std=c++20" in words]
        self.assertTrue(compilations)
        for words in compilations:
            self.assertEqual(words[2:5], ["-g3", "-O1", "-DNDEBUG"])
            self.assertIn("-UNDEBUG", words[5:])  # checks stay on
            self.assertNotIn("-Werror", words)


@unittest.skipUnless(shutil.which("git"), "there is no git")
class Revision(InFolder):
    def setUp(self):
        super().setUp()
        self.source = self.folder / "lpl"
        (self.source / "src/core").mkdir(parents=True)
        shutil.copy(ROOT / "src/core/version.hpp.in", self.source / "src/core")
        self.header = self.folder / "version.hpp"

    def git(self, *arguments, cwd=None):
        names = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = run("git", *arguments, cwd=cwd or self.source,
                   env=dict(os.environ, GIT_CONFIG_GLOBAL="", GIT_CONFIG_NOSYSTEM="1", **names))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def commit(self, cwd=None):
        self.git("init", "--quiet", cwd=cwd)
        self.git("add", ".", cwd=cwd)
        self.git("commit", "--quiet", "--allow-empty", "--message", "x", cwd=cwd)

    def written(self):
        done = run("cmake", "-D", f"SOURCE={self.source}", "-D", "VERSION=1.2.3", "-D", f"HEADER={self.header}",
                   "-P", ROOT / "cmake/write_version.cmake")
        self.assertEqual(done.returncode, 0, done.stderr)
        line = next(line for line in self.header.read_text().splitlines() if "kRevision" in line)
        return line.split('"')[1]

    def test_it_follows_every_commit_and_change(self):
        self.commit()
        first = self.written()
        self.assertEqual(first, self.git("rev-parse", "--short", "HEAD"))
        time = self.header.stat().st_mtime_ns
        self.assertEqual(self.written(), first)
        self.assertEqual(self.header.stat().st_mtime_ns, time, "written anew, so everything is compiled again")
        template = self.source / "src/core/version.hpp.in"
        template.write_text(template.read_text() + "// changed\n")
        self.assertEqual(self.written(), first + "-dirty")
        self.commit()
        self.assertEqual(self.written(), self.git("rev-parse", "--short", "HEAD"))
        self.assertNotEqual(self.written(), first)

    def test_it_is_unknown_outside_of_a_repository(self):
        self.assertEqual(self.written(), "unknown")

    def test_it_is_not_that_of_a_repository_around(self):
        self.commit(cwd=self.folder)
        self.assertEqual(self.written(), "unknown")


class Scripts(InFolder):
    def test_what_was_skipped_is_listed_with_its_reason(self):
        (self.folder / "Testing/Temporary").mkdir(parents=True)
        (self.folder / "Testing/Temporary/LastTest.log").write_text(LOG)
        done = run(ROOT / "scripts/print_skipped.sh", self.folder)
        self.assertEqual(done.stdout.splitlines(), [
            "  unit: Device.Adds: there is no device",
            "  system_rate: test_bfloat16: 'this processor has no avx512_bf16'",
            "  recorded_cases_not_here: skipped: there is no a.h5 in b",
            "3 skipped"])

    def test_an_unknown_part_of_the_dependencies(self):
        done = run(ROOT / "scripts/install_dependencies.sh", "run", "everything")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no part everything; there are run, test", done.stderr)

    def test_a_failed_stage_lets_the_others_run_and_fails_at_the_end(self):
        script = 'set -euo pipefail; source "$0"; broken() { false; echo "went on"; }; stage a broken; stage b true; end_of_stages'
        done = run("bash", "-c", script, ROOT / "scripts/stages.sh")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("went on", done.stdout)
        self.assertRegex(done.stdout, r"a +\d+ s  FAILED\nb +\d+ s  passed\n$")


if __name__ == "__main__":
    unittest.main()
