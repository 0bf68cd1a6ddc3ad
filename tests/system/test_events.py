"""Event files read by a reader that shares no code with their writer."""

import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

from event_reader import crc32c, fields, read_events, records, shown, starts


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Events(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        run = subprocess.run([os.environ["LPL_WRITE_EVENTS"], folder.name], capture_output=True, text=True, check=True)
        self.path = pathlib.Path(run.stdout.strip())

    def test_scalars_come_back(self):
        version, scalars = read_events(self.path)
        self.assertEqual(version, "brain.Event:2")
        self.assertEqual(
            scalars,
            [
                (1700000001, 0, "layer_0/pull", 0.25),
                (1700000002.125, 300, "layer_0/pull", single(-1e-20)),
                (1700000003, 9007199254740993, "große Schicht", single(1 / 3)),
            ],
        )

    def test_a_file_makes_void_what_earlier_ones_hold_of_its_first_step_and_later(self):
        events = [dict(fields(payload)) for payload in records(self.path)]
        self.assertEqual([event.get(2, 0) for event in events if starts(event)], [300])
        shown_here = shown(self.path.parent)
        self.assertEqual(len(shown_here), 3)

    def test_every_byte_is_checked(self):
        whole = self.path.read_bytes()
        for at in range(len(whole)):
            self.path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            with self.assertRaises((ValueError, struct.error)):
                read_events(self.path)

    def test_reader_knows_crc32c(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)


if __name__ == "__main__":
    unittest.main()
