"""Cuts the power of a file system during and after merges, and looks at what is left of the model."""

import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import time

# _IOR('X', 125, __u32) of ext4, and its flag that says that the journal is not written out.
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2

# Bytes to those of 0x3F and 0xBF that agree with them in the last bit.
SIGNS = bytes(0x3F if b & 1 else 0xBF for b in range(256))

CONFIG = """merge_method: linear
models:
  - {{model: {models}/a, parameters: {{weight: 1}}}}
  - {{model: {models}/b, parameters: {{weight: {weight}}}}}
"""
RECIPE = """local mk = require "mergekit"
local a, b = mk.model "{models}/a", mk.model "{models}/b"
local function blend(w) return mk.merge {{ method = "linear", models = {{ {{ a, weight = 1 }}, {{ b, weight = w }} }} }} end
return {{ x = blend({weight}), y = blend({weight} + 1) }}
"""
# Name, whether there is an old model, the command, its options, whether there are several outputs.
WAYS = [
    ("fresh", False, "mergekit-lua", [], False),
    ("force", True, "mergekit-lua", ["--force"], False),
    ("overlay", True, "mergekit-yaml", [], False),
    ("several", True, "mergekit-lua", ["--force"], True),
]


def make_model(path, megabytes, seed):
    """A model of one matrix of noise and its config."""
    path.mkdir(parents=True)
    rows = megabytes * (1 << 20) // 4096
    header = json.dumps({"w": {"dtype": "BF16", "shape": [rows, 2048], "data_offsets": [0, rows * 4096]}}).encode()
    header += b" " * (-len(header) % 8)
    noise = random.Random(seed)
    with open(path / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for _ in range(rows * 4096 >> 20):
            # Exponents near 1, so that no element is infinite.
            block = bytearray(noise.randbytes(1 << 20))
            block[1::2] = block[1::2].translate(SIGNS)
            file.write(block)
    (path / "config.json").write_text('{"model_type": "llama"}')


def state(out):
    """Names and digests of an output's files; {} if there is none."""
    found = {}
    for path in sorted(out.rglob("*")) if out.exists() else []:
        if path.is_file():
            found[str(path.relative_to(out))] = digest(path)
    return found


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


class Disk:
    """An ext4 in a file."""

    def __init__(self, image, place, megabytes):
        self.image, self.place = image, place
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        place.mkdir(exist_ok=True)
        self.mount()

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.place], check=True)

    def cut(self):
        """What is not on the disk in this moment never will be."""
        descriptor = os.open(self.place, os.O_RDONLY)
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(descriptor)

    def unmount(self):
        for _ in range(50):
            if subprocess.run(["umount", self.place], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit(f"cannot unmount {self.place}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--seconds", type=float, nargs="*", default=[0, 1, 2, 5, 10, 30], help="after a run's end")
    parser.add_argument("--during", type=int, default=10, help="cuts at random moments of a run, for each way")
    parser.add_argument("--option", action="append", default=[], help="a further option, such as --no-sync")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    (options.work / "bin").mkdir(parents=True)
    for name in ("mergekit-lua", "mergekit-yaml"):
        (options.work / "bin" / name).symlink_to(options.binary)
    models = options.work / "models"
    make_model(models / "a", options.megabytes, 1)
    make_model(models / "b", options.megabytes, 2)
    bad = 0
    for name, has_old, command, arguments, several in WAYS:
        file = "recipe.lua" if several else "config.yml"
        text = RECIPE if several else CONFIG

        def run(place, weight, arguments, command, wait=True):
            (options.work / file).write_text(text.format(models=models, weight=weight))
            process = subprocess.Popen(
                [options.work / "bin" / command, options.work / file, place / "out", "--quiet", *arguments, *options.option],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=options.work)
            if not wait:
                return process
            errors = process.communicate()[1]
            if process.returncode:
                sys.exit(f"{name}: {errors.decode()}")

        disk = Disk(options.work / "disk.img", options.work / "disk", options.megabytes * (6 if several else 4) + 200)
        started = time.monotonic()
        run(disk.place, "2", [], "mergekit-lua")
        duration = time.monotonic() - started
        new = state(disk.place / "out")
        shutil.rmtree(disk.place / "out")
        old = {}
        if has_old:
            run(disk.place, "0.5", [], "mergekit-lua")
            old = state(disk.place / "out")
        disk.unmount()
        pristine = options.work / "pristine.img"
        shutil.copyfile(disk.image, pristine)
        moments = [(True, s) for s in options.seconds] + [(False, random.uniform(0, duration)) for _ in range(options.during)]
        for is_after, seconds in moments:
            shutil.copyfile(pristine, disk.image)
            disk.mount()
            process = run(disk.place, "2", arguments, command, wait=False)
            if is_after:
                errors = process.communicate()[1]
                if process.returncode:
                    sys.exit(f"{name}: {errors.decode()}")
            time.sleep(seconds)
            finished = process.poll() == 0
            disk.cut()
            if not is_after:
                process.communicate()
            disk.unmount()
            disk.mount()
            seen = state(disk.place / "out")
            plan = subprocess.run(
                [options.work / "bin" / command, options.work / file, disk.place / "out", "--dry-run", "--quiet"],
                capture_output=True, cwd=options.work)
            left = state(disk.place / "out")
            rest = [p.name for p in disk.place.rglob("*mergekit*") if p.is_dir()]
            problem = None
            if plan.returncode:
                problem = f"the next run is refused: {plan.stderr.decode()}"
            elif left != new and (finished or left != old):
                problem = "neither old nor new" if left != old else "the old model after a run that had ended"
            elif rest:
                problem = f"left over: {rest}"
            elif command == "mergekit-lua" and not several and seen not in (old, new):
                problem = "mixed until the next run"
            when = f"{seconds:.2f} s " + ("after its end" if is_after else "after its beginning")
            print(f"{name}: cut {when}: {problem or ('new' if left == new else 'old')}", flush=True)
            bad += problem is not None
            disk.unmount()
    shutil.rmtree(options.work)
    print(f"{bad} bad")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
