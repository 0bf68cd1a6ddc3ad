#!/usr/bin/env python3
"""Situations that users of training code have run into, with what is right: published numbers where something is
published, a reason where something is refused, and nothing wrong in silence."""

import unittest

from support import h5py, lpl_rate
from test_rate import SCENES, RateTest, description, read_safetensors

import numpy as np


def alexnet(data):
    """A description of a training of AlexNet as it is distributed."""
    text = description(data=data)
    return text[: text.index("[net.tiny]")].replace('net = "tiny"', 'net = "alexnet"') + text[text.index("[rule.tried]") :]


class AlexNet(RateTest):
    """As published with Halvagal & Zenke 2023."""

    NARROW = "net.alexnet.channels=[4, 6, 5, 5, 5, 8, 8]"
    NAMES = ["blocks.0.0", "blocks.1.0", "blocks.2.0", "blocks.3.0", "blocks.4.0", "blocks.5.2", "blocks.6.1"]

    def test_fits_the_images_of_cifar10_and_has_the_published_number_of_parameters(self):
        text = alexnet(f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        done = lpl_rate(*self.command(text, "checked", [], ["--check"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        # 2,469,696 in the convolutions (Krizhevsky 2014), 256 x 6 x 6 x 4096 + 4096 and 4096 x 4096 + 4096 after them.
        self.assertIn("parameters   57003840\n", done.stdout)

    def test_parameters_have_the_published_names_and_shapes(self):
        text = alexnet(f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        exported = self.folder / "alexnet.safetensors"
        self.train("alexnet", self.NARROW, "readout.wanted=false", text=text, arguments=["--export", exported])
        shapes = [(4, 3, 11, 11), (6, 4, 5, 5), (5, 6, 3, 3), (5, 5, 3, 3), (5, 5, 3, 3), (8, 5, 6, 6), (8, 8, 1, 1)]
        expected = {f"network.encoder.{name}.weight": shape for name, shape in zip(self.NAMES, shapes)}
        expected.update({f"network.encoder.{name}.bias": shape[:1] for name, shape in zip(self.NAMES, shapes)})
        self.assertEqual({name: values.shape for name, values in read_safetensors(exported).items()}, expected)

    def test_the_fifth_convolution_pads_by_two(self):
        """Its map grows by two, and the pooling after it makes one pixel of the three."""
        text = alexnet(f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        done = lpl_rate(*self.command(text, "checked", [self.NARROW], ["--check"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        maps = [line.split()[3:6] for line in done.stdout.splitlines() if line.startswith("block ")]
        self.assertEqual(maps, [["3", "x", "3"]] + [["1", "x", "1"]] * 6)

    def test_names_that_cannot_be(self):
        for names, reason in (('["a", "b"]', "one for each of 'channels'"), ('["a/b", "", "c"]', "consists of letters"),
                              ('["a", "b", "a"]', "twice"), ('["a", "projectors.0", "b"]', "projectors")):
            text = description(net=f'type = "convolutional"\nchannels = [8, 8, 8]\nnames = {names}')
            self.assertIn(reason, self.refused(text=text))


if __name__ == "__main__":
    unittest.main()
