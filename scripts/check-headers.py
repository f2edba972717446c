"""Opens safetensors files with large headers; see scripts/check-headers."""

import argparse
import os
import pathlib
import shutil
import struct
import subprocess
import sys

SCALAR = '"dtype":"U8","shape":[],"data_offsets":[%d,%d]}'


def filled(size, begin, end, part):
    """A text of so many bytes: parts with commas between them."""
    parts, length, count = [], len(begin) + len(end) + 8, 0
    while length < size:
        parts.append(part(count))
        length += len(parts[-1]) + 1
        count += 1
    return begin + ",".join(parts[:-1]) + end, count - 1


KINDS = {
    "tensors": lambda n: filled(n, "{", "}", lambda i: f'"{i:x}":{{' + SCALAR % (i, i + 1)),
    "matrices": lambda n: filled(n, "{", "}", lambda i: f'"model.layers.{i % 80}.self_attn.q_proj.weight_{i}":'
                                 f'{{"dtype":"U8","shape":[1,1],"data_offsets":[{i},{i + 1}]}}'),
    "metadata": lambda n: (filled(n, '{"__metadata__":{', "}}", lambda i: f'"{i:x}":""')[0], 0),
    "a shape": lambda n: (filled(n, '{"x":{"shape":[', "]}}", lambda i: "1")[0], 0),
    "fields": lambda n: (filled(n, '{"x":{', "}}", lambda i: f'"{i:x}":[]')[0], 0),
    "a name": lambda n: ('{"' + "x" * (n - 80) + '":{' + SCALAR % (0, 1) + "}", 1),
    "one string": lambda n: ('{"__metadata__":{"x":"' + "\\u0041" * (n // 6 - 30) + '"},"x":{' + SCALAR % (0, 1) + "}", 1),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--megabytes", type=int, default=99)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    path = options.work / "x.safetensors"
    bad = 0
    for name, make in KINDS.items():
        text, data = make(options.megabytes * 1_000_000)
        header = text.encode()
        header += b" " * (-len(header) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            file.truncate(8 + len(header) + data)
        process = subprocess.Popen([options.binary, "inspect", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / len(header)
        fits = seconds <= 5 and memory <= 10 and os.waitstatus_to_exitcode(status) in (0, 1)
        bad += not fits
        print(f"{name}: {seconds:.1f} s of processor time, {memory:.1f} times its size in memory, "
              f"{errors.strip()[:120] or 'opened'}{'' if fits else ': TOO MUCH'}", flush=True)
    shutil.rmtree(options.work)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
