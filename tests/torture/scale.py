#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scale.py - many containers at once, and what they cost.

    scale.py [--containers N] [--threads N]

Half of them have an address on the bridge, half have no network. Starts them, lists them, asks for their figures,
restarts the daemon under them, stops and removes them. Prints times, memory, and what an operation costs with few and
with many, so that what grows faster than their number is seen. With 1,000 and more the bridge is filled as well.
"""
import argparse
import concurrent.futures
import signal
import sys
import time

import checker
from engine import Engine

BRIDGE_PORTS = 1023


def pss(pid, kind="Pss"):
    for line in checker.read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(kind + ":"):
            return int(line.split()[1])
    return 0


def descriptors(pid):
    return len(checker.listdir(f"/proc/{pid}/fd"))


def available():
    for line in checker.read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return 0


class Scale:
    def __init__(self, options):
        self.o, self.engine, self.faults = options, Engine(), 0
        self.engine.start()
        self.engine.find_parent()
        self.api = self.engine.api

    def fault(self, text):
        self.faults += 1
        print(f"FAULT: {text}", flush=True)

    def each(self, what, items, fn):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(self.o.threads) as pool:
            for item, reply in zip(items, pool.map(fn, items)):
                if reply.status >= 300:
                    self.fault(f"{what} {item}: {reply}")
        took = time.monotonic() - began
        print(f"{what} of {len(items)}: {took:.2f} s, {took * 1000 / max(len(items), 1):.1f} ms each", flush=True)
        return took / max(len(items), 1)

    def make(self, i):
        return self.start(f"c{i}", "bridge" if i % 2 else "none")

    def start(self, name, net):
        r = self.api.call("POST", "/containers/create", {
            "Image": "busybox", "Cmd": ["sleep", "100000"], "StopSignal": "SIGKILL",
            "HostConfig": {"NetworkMode": net}}, name=name)
        return r if r.status >= 300 else self.api.call("POST", f"/containers/{name}/start")

    def timed(self, what, *args):
        began = time.monotonic()
        out = self.engine.dhow(*args).stdout.decode()
        print(f"{what}: {(time.monotonic() - began) * 1000:.0f} ms", flush=True)
        return out

    def fill_bridge(self, first):
        """The kernel lets 1023 interfaces join a bridge: the next container must be told so, and leave nothing."""
        for i in range(first, first + 2 * BRIDGE_PORTS):
            r = self.start(f"full{i}", "bridge")
            if r.status >= 300:
                break
        print(f"after {i - first} more on the bridge, with {len(checker.Machine(self.engine).links)} interfaces: "
              f"{r}", flush=True)
        if r.status != 500 or "1023" not in r.message:
            self.fault("the message does not say what there is too little of")
        for k in range(first, i + 1):
            self.api.call("DELETE", f"/containers/full{k}", force=1)

    def run(self):
        n, memory = self.o.containers, available()
        tenth = max(n // 10, 1)
        costs = [self.each("create and start", range(i, min(i + tenth, n)), self.make) for i in range(0, n, tenth)]
        print(f"a start at the end costs {costs[-1] / costs[0]:.1f} times one at the beginning", flush=True)
        daemon = self.engine.pid
        m = checker.Machine(self.engine)
        shims = [p for pids in m.shims.values() for p in pids]
        print(f"memory: daemon {pss(daemon)} kB PSS and {descriptors(daemon)} descriptors, "
              f"shims {sum(map(pss, shims)) // max(len(shims), 1)} kB PSS each, the machine "
              f"{(memory - available()) // n} kB for a container", flush=True)
        lines = self.timed("ps", "ps", "-q").split()
        if len(lines) != n:
            self.fault(f"ps lists {len(lines)}")
        lines = self.timed("stats --no-stream", "stats", "--no-stream", "--format", "{{.ID}}").split()
        if len(lines) != n:
            self.fault(f"stats lists {len(lines)}")
        self.timed("system df", "system", "df")
        if n >= 1000:
            self.fill_bridge(n)
        self.engine.kill(signal.SIGKILL)
        print(f"start of a new daemon: {self.engine.start() * 1000:.0f} ms", flush=True)
        print(f"it has {pss(self.engine.pid)} kB PSS", flush=True)
        known, bad = checker.settle(self.engine, 60)
        for line in bad:
            self.fault(line)
        if sum(c["State"]["Running"] for c in known.values()) != n:
            self.fault("not all run after the daemon's restart")
        self.each("stop", range(n), lambda i: self.api.call("POST", f"/containers/c{i}/stop"))
        self.each("rm", range(n), lambda i: self.api.call("DELETE", f"/containers/c{i}"))
        _, bad = checker.settle(self.engine, 60)
        for line in bad:
            self.fault(line)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--containers", type=int, default=1000)
    p.add_argument("--threads", type=int, default=4)
    o = p.parse_args()
    s = Scale(o)
    try:
        s.run()
    finally:
        s.engine.kill(signal.SIGTERM)
    print(f"{o.containers} containers, {s.faults} faults", flush=True)
    return 1 if s.faults else 0


if __name__ == "__main__":
    sys.exit(main())
