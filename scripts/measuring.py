"""What the checks of mergekit-lua beside other tools share: runs of the program, their time and memory."""

import multiprocessing
import os
import subprocess
import time


def run(tool, *arguments):
    """Runs the program, which must end well and say nothing."""
    subprocess.run([tool, *map(str, arguments), "--quiet", "--force"], check=True)


def measure(command):
    """Seconds and megabytes of a command."""
    before = time.monotonic()
    process = subprocess.Popen([str(part) for part in command])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.monotonic() - before, usage.ru_maxrss / 1000


def apart(function, *arguments):
    """Runs a function in a process of its own: its memory would count as that of those which this one starts."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0, function


def largest_difference(found, expected):
    """The furthest that tensors are from others of their names, by the largest element of each."""
    assert set(found) == set(expected), set(found) ^ set(expected)
    return max(
        ((found[name].float() - tensor.float()).abs().max() / tensor.float().abs().max().clamp(min=1e-30)).item()
        for name, tensor in expected.items() if tensor.is_floating_point())
