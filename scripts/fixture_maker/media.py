"""Recordings of a fraction of a second, each different from the others."""

import array
import json
import math
import os
import struct
import subprocess
from datetime import timezone

RATE = 8000


def tone(hz, ms):
    return [int(9000 * math.sin(2 * math.pi * hz * n / RATE)) for n in range(RATE * ms // 1000)]


def wav(*channels):
    """A WAVE file of 16-bit samples, one list for each channel."""
    data = array.array("h", [s for frame in zip(*channels) for s in frame]).tobytes()
    n = len(channels)
    form = struct.pack("<HHIIHH", 1, n, RATE, RATE * 2 * n, 2 * n, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def encoded(hz, ms, *arguments):
    """A tone in the form that ffmpeg makes of these arguments, without its version in it."""
    argv = ["ffmpeg", "-v", "error", "-f", "wav", "-i", "pipe:0", "-map_metadata", "-1", "-fflags", "+bitexact"]
    argv += ["-flags:a", "+bitexact"]
    return subprocess.run([*argv, *arguments, "pipe:1"], input=wav(tone(hz, ms)), capture_output=True, check=True).stdout


def screen(folder):
    """Three pictures of a screen as MP4, which ffmpeg writes to files only."""
    path = os.path.join(folder, "screen.mp4")
    argv = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "color=c=navy:s=64x48:r=6:d=0.5", "-map_metadata", "-1"]
    argv += ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-c:v", "libx264", "-pix_fmt", "yuv420p", path]
    subprocess.run(argv, check=True)
    with open(path, "rb") as file:
        data = file.read()
    os.remove(path)
    return data


def sidecar(name, day, ms=400, **more):
    """Canonical metadata of a recording that began at ten on that day."""
    end = f"{day}T10:00:{ms // 1000:02}.{ms % 1000:03}Z"
    return {
        "vendor": "genesys", "organisation": "acme", "interaction_id": name, "recording_id": f"{name}-r0", "media": "voice",
        "start": f"{day}T10:00:00.000Z", "end": end, "direction": "inbound", "queue": "billing", "tags": ["pci"],
        "participants": [
            {"role": "agent", "identifier": "dana", "display_name": "Dana Whitfield"},
            {"role": "customer", "identifier": "+12025550123", "display_name": "Jane Doe"},
        ],
        **more,
    }


class Drop:
    """A folder that the archiver watches. What is put there is a day old."""

    def __init__(self, folder, machine):
        self.folder, self.machine = folder, machine
        os.makedirs(folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, data, age_s=86400):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else json.dumps(data, indent=1).encode())
        written = self.machine.now.replace(tzinfo=timezone.utc).timestamp() - age_s
        os.utime(path, (written, written))

    def recording(self, name, ext, data, meta):
        self.put(f"{name}.{ext}", data)
        self.put(f"{name}.json" if ext != "json" else f"{name}_metadata.json", meta)
