"""Reads TensorBoard event files: own record framing, CRC32C bit by bit, own protobuf decoding."""

import struct


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    """The payloads of a file; ValueError where a checksum or the length of the file is wrong."""
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        length, length_crc = struct.unpack_from("<QI", data, at)
        if length_crc != masked(data[at : at + 8]):
            raise ValueError(f"{path}: wrong checksum of the length at byte {at}")
        payload = data[at + 12 : at + 12 + length]
        if struct.unpack_from("<I", data, at + 12 + length)[0] != masked(payload):
            raise ValueError(f"{path}: wrong checksum of the record at byte {at}")
        yield payload
        at += length + 16


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(message):
    """(number, value) of each field: int for varints, bytes for all others."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        wire = tag & 7
        if wire == 0:
            value, at = varint(message, at)
        else:
            size, at = varint(message, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            value, at = message[at : at + size], at + size
        yield tag >> 3, value


def starts(event):
    """Whether an event says that a run starts here, so that earlier files hold nothing of its step and later."""
    return 7 in event and dict(fields(event[7])).get(1) == 1


def shown(folder):
    """What a reader shows of all files of a folder: {(tag, step): [values]}, without what a later start makes void."""
    found = {}
    for path in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns):
        for payload in records(path):
            event = dict(fields(payload))
            if starts(event):
                found = {key: values for key, values in found.items() if key[1] < event.get(2, 0)}
            for _, entry in fields(event.get(5, b"")):
                value = dict(fields(entry))
                found.setdefault((value[1].decode(), event.get(2, 0)), []).append(struct.unpack("<f", value[2])[0])
    return found


def read_events(path):
    """(version, [(wall time, step, tag, value), ...])"""
    version, scalars = None, []
    for payload in records(path):
        event = dict(fields(payload))
        wall_time = struct.unpack("<d", event[1])[0]
        if 3 in event:
            version = event[3].decode()
        if 5 in event:
            for _, entry in fields(event[5]):
                value = dict(fields(entry))
                scalars.append((wall_time, event.get(2, 0), value[1].decode(), struct.unpack("<f", value[2])[0]))
    return version, scalars
