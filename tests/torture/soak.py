#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""soak.py - `run --rm` again and again: does the daemon grow?

    soak.py [--runs N] [--threads N]

After each tenth of the runs the daemon's memory and descriptors are taken, at rest. What the last tenth holds more than
the first must not be more than noise: a descriptor or a kilobyte a run would be a leak. Of the memory only what is
anonymous: its share of the libraries grows when other programs end.
"""
import argparse
import concurrent.futures
import os
import signal
import sys
import time

import checker
from engine import Engine
from scale import descriptors, pss

NOISE_KB = 1500    # arenas, caches that fill up
if "ASAN_OPTIONS" in os.environ:
    NOISE_KB = 300000  # freed memory that AddressSanitizer keeps from being used again
NOISE_FDS = 40     # the pool of namespaces may be half full or full


def at_rest(engine):
    """The figures when the pools are full again: the same twice in a row."""
    pid, last = engine.pid, None
    for _ in range(300):
        now = (descriptors(pid), len(checker.listdir(f"/proc/{pid}/task")))
        if now == last:
            break
        last = now
        time.sleep(0.2)
    return pss(pid, "Pss_Anon"), now[0]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--runs", type=int, default=10000)
    p.add_argument("--threads", type=int, default=2)
    o = p.parse_args()
    engine, faults = Engine(), 0
    engine.start()
    engine.find_parent()

    def run(i):
        p = engine.dhow("run", "--rm", *([] if i % 4 == 0 else ["--net", "none"]), "busybox", "sh", "-c",
                        f"echo out {i}; exit {i % 5}", check=False)
        return p.returncode == i % 5 and p.stdout.decode() == f"out {i}\n"

    figures, tenth = [], max(o.runs // 10, 1)
    # The first ones fill caches and pools.
    list(map(run, range(min(tenth, 50))))
    for part in range(10):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(o.threads) as pool:
            faults += list(pool.map(run, range(part * tenth, (part + 1) * tenth))).count(False)
        took = (time.monotonic() - began) / tenth
        figures.append(at_rest(engine))
        print(f"{(part + 1) * tenth} runs: {figures[-1][0]} kB, {figures[-1][1]} descriptors, "
              f"{took * 1000:.1f} ms a run", flush=True)
    if faults:
        print(f"FAULT: {faults} runs had another output or exit code", flush=True)
    grown, opened = (figures[-1][i] - figures[0][i] for i in range(2))
    if grown > NOISE_KB or opened > NOISE_FDS:
        faults += 1
        print(f"FAULT: the daemon has grown by {grown} kB and {opened} descriptors", flush=True)
    _, bad = checker.settle(engine)
    for line in bad:
        faults += 1
        print(f"FAULT: {line}", flush=True)
    if engine.kill(signal.SIGTERM) != 0:
        faults += 1
        print(f"FAULT: the daemon ended with {engine.proc.returncode}", flush=True)
    print(f"{o.runs} runs, {faults} faults", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
