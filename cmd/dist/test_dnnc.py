"""The Python package as its users have it: installed from its wheel. make test-adoption runs it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy

import dnnc

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "testdata" / "lenet5" / "lenet5.onnx"
TRAIN = ROOT / "testdata" / "lenet5" / "fashion-train-images-idx3-ubyte.gz"
IMAGES = numpy.random.default_rng(1).random((64, 1, 28, 28), dtype=numpy.float32)


def quiet(line: str) -> None:
    pass


class Package(unittest.TestCase):
    def test_arrays_and_files_calibrate(self):
        for calib in (IMAGES, (255 * IMAGES).astype(numpy.uint8), TRAIN, {"image": IMAGES}):
            r = dnnc.compile(MODEL, target="armv7em", calib=calib, progress=quiet)
            self.assertEqual(r.object[:4], b"\x7fELF")
            self.assertIn("lenet5_run", r.header)
            self.assertEqual(r.certificate["target"], "armv7em")
            self.assertNotIn("no-calibration", r.messages)
        self.assertIn("bytes of weights", r._repr_html_())

    def test_what_ships_is_verified(self):
        for calib in (TRAIN, IMAGES):  # of arrays there is no file afterwards
            with tempfile.TemporaryDirectory() as folder:
                dnnc.compile(MODEL, target="armv7em", calib=calib, progress=quiet).save(folder)
                names = sorted(p.name for p in pathlib.Path(folder).iterdir())
                self.assertRegex(" ".join(names), r"^lenet5-[0-9a-f]{8}\.safetensors lenet5\.h lenet5\.json lenet5\.o lenet5\.out\.dnn$")
                done = subprocess.run([sys.executable, "-m", "dnnc", "verify", folder + "/lenet5.o", "-n", "5"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("bit-exact", done.stdout)

    def test_names_are_no_arguments(self):
        with tempfile.TemporaryDirectory() as folder:
            was = os.getcwd()
            os.chdir(folder)
            try:
                for name in ("-h.onnx", "@list.onnx"):
                    shutil.copy(MODEL, name)
                    self.assertIn("_run", dnnc.compile(name, target="armv6m", calib=IMAGES[:8], emit="c", progress=quiet).c)
                    self.assertEqual(dnnc.check(name)["weights"], 430500)
            finally:
                os.chdir(was)
        for arguments in ({"target": "-help"}, {"target": "armv7em", "task": "-help"}):
            with self.assertRaises(dnnc.Error):
                dnnc.compile(MODEL, calib=IMAGES[:8], progress=quiet, **arguments)

    def test_names_of_arrays(self):
        for name in ("y", "file"):  # a model of one input takes the only array
            dnnc.compile(MODEL, target="armv6m", calib={name: IMAGES[:16]}, labels=numpy.arange(16) % 10, emit="c", progress=quiet)
        with self.assertRaisesRegex(ValueError, "Object arrays"):
            dnnc.compile(MODEL, target="armv6m", calib=IMAGES[:2], labels=numpy.array([1, "a"], dtype=object), emit="c", progress=quiet)

    def test_robust_within_a_size(self):
        r = dnnc.compile(MODEL, target="armv7", calib=TRAIN, size=60000, task="classes", options=["-images", "64"], progress=quiet)
        c = r.certificate
        self.assertEqual(c["optimize"], "robust")
        self.assertLessEqual(c["weight_bytes"], 60000)

    def test_c_needs_no_llvm(self):
        r = dnnc.compile(MODEL, target="armv6m", calib=IMAGES, emit="c", progress=quiet)
        self.assertIsNone(r.object)
        self.assertIn("lenet5_run", r.c)

    def test_check(self):
        found = dnnc.check(MODEL, target="all")
        self.assertEqual(found["weights"], 430500)
        self.assertGreater(len(found["targets"]), 10)

    def test_faults(self):
        with self.assertRaises(dnnc.Error) as e:
            dnnc.compile(MODEL, target="armv7q", calib=IMAGES, progress=quiet)
        self.assertEqual(e.exception.code, 1)
        self.assertIn("armv7q", str(e.exception))
        for arguments, what in (
            ({"calib": 255 * IMAGES}, "range"),
            ({"calib": IMAGES * numpy.nan}, "finite"),
            ({"calib": IMAGES[0, 0, 0]}, "axes"),
            ({"labels": [1]}, "calib"),
            ({"emit": "asm"}, "emit"),
        ):
            with self.assertRaisesRegex(ValueError, what):
                dnnc.compile(MODEL, target="armv7em", progress=quiet, **arguments)
        with self.assertRaises(TypeError):
            dnnc.compile(42, target="armv7em")

    def test_progress(self):
        lines = []
        dnnc.compile(MODEL, target="armv7em", calib=IMAGES, progress=lines.append)
        self.assertTrue(any("fidelity" in line for line in lines), lines)

    def test_torch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("torch is not installed")
        net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 26 * 26, 3))
        net.train()
        r = dnnc.compile(net, target="armv7em", calib=IMAGES, progress=quiet)
        self.assertEqual(r.name, "sequential")
        self.assertTrue(net.training, "the module stays as it was")


if __name__ == "__main__":
    unittest.main()
