#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""torture.py - clients make and break things at random while the daemon (and, with --shims, a shim now and then)
is killed; after each round everything is compared with what must be.

    torture.py [--rounds N | --hours H] [--seed S] [--shims]

Started by tests/torture/run, which prepares the engine.
"""
import argparse
import os
import random
import signal
import sys
import threading
import time

import checker
from clients import CREATED, GONE, PAUSED, RUNNING, Owner, Wild
from engine import Engine, Registry

OWNERS, WILD = 6, 2
SLOW_START = 30 # seconds: it waited for something that did not come


class World:
    """What the clients share."""

    def __init__(self, engine, registry, seed):
        self.engine, self.registry, self.interval = engine, registry, 40
        self.counter = engine.build + "/tests/torture/counter"
        self.work = engine.dir + "/work"
        os.mkdir(self.work)
        self.pause, self.lock = threading.Event(), threading.Lock()
        self.faults = []
        self.next_port = 20000 + seed % 5000  # below those that connections are given
        self.round = 0

    def port(self):
        with self.lock:
            self.next_port += 1
            return self.next_port

    def fault(self, text):
        with self.lock:
            self.faults.append(text)
        print(f"FAULT (round {self.round}): {text}", flush=True)


def make_registry(engine):
    registry = Registry(engine.dir + "/registry")
    for i in range(3):
        name = f"{registry.host}/p{i}"
        engine.dhow("run", "--name", "seed", "--net", "none", "busybox", "sh", "-c",
                    f"head -c {200000 * (i + 1)} /dev/urandom >/blob{i}")
        engine.dhow("commit", "seed", name)
        engine.dhow("rm", "seed")
        engine.dhow("push", name)
        engine.dhow("rmi", name)
    return registry


def check_box(world, known, box):
    """One owned container: what it is must be among what it may be; from now on only that."""
    c = known.get(box.id) if box.id else next(
        (k for k in known.values() if k["Name"][1:] in box.names), None)
    if not c:
        if GONE not in box.may:
            world.fault(f"lost: {box}")
        return False
    box.id = c["Id"]
    name, state = c["Name"][1:], c["State"]
    if name not in box.names:
        world.fault(f"{box}: is called {name}")
    box.names = {name}
    status = state["Status"]
    if box.rm and status == "exited" and GONE in box.may:
        return True  # it goes in a moment
    # Between two of its lives it is restarting, whenever it may be running.
    between = status == "restarting" and RUNNING in box.may and box.policy != "no" and box.lines
    if status not in box.may and not between:
        world.fault(f"{box}: is {status} (exit code {state['ExitCode']}, error {state['Error']!r})")
    if status == "exited" and state["ExitCode"] not in box.codes:
        world.fault(f"{box}: ended with {state['ExitCode']}")
    # What was asked of it may still come to it, as long as the daemon has not said that it was done.
    if box.dir and (box.may == {status} or status in (CREATED, PAUSED)):
        box.may = {status}
    if box.dir:
        check_writing(world, box, c)
    return True


def check_writing(world, box, c):
    box.killed_runs_may_lack = True
    runs, _ = checker.parse_runs(checker.read(box.dir + "/out").splitlines())
    count = max(runs, default=0)
    low, high = box.starts
    # A program that was stopped, killed or frozen before its first line has not counted itself.
    early = box.unseen + (c["State"]["Status"] in (RUNNING, PAUSED) or box.lossy)
    if (high is not None and count > high) or count < low - early:
        world.fault(f"{box}: has run {count} times")
    wrong = checker.compare_log(box, c)
    if wrong and not (box.rm and not world.engine.inspect(box.id)):
        world.fault(f"{box}: {wrong}")
    if c["State"]["Status"] == RUNNING and not box.lines and box.may == {RUNNING}:
        before, end = os.stat(box.dir).st_mtime_ns, time.monotonic() + 60
        size = checker.read(box.dir + "/out").count("\n")
        while checker.read(box.dir + "/out").count("\n") <= size:
            if time.monotonic() > end:
                world.fault(f"{box}: runs, but writes nothing ({before})")
                return
            time.sleep(0.02)


def check_tags(world, owner, tags):
    def full(tag):
        return f"docker.io/library/{tag}"
    for tag in owner.tags:
        if full(tag) not in tags:
            world.fault(f"tag {tag} of {owner.name} is lost")
    for tag in list(owner.maybe_tags):
        owner.maybe_tags.discard(tag)
        if full(tag) in tags:
            owner.tags.add(tag)
    mine = {t for t in tags if t.startswith((full(f"img{owner.number}:"), full(f"built{owner.number}:"),
                                             full(f"tag{owner.number}:")))}
    for tag in mine - {full(t) for t in owner.tags}:
        world.fault(f"tag {tag} is there and should not be")


def check(world, clients):
    known, bad = checker.settle(world.engine)
    for line in bad:
        world.fault(line)
    tags = checker.Machine(world.engine).rows["tags"]
    for client in clients:
        if isinstance(client, Owner):
            client.boxes = [b for b in client.boxes if check_box(world, known, b)]
            # What a build had made when the daemon died is of no use to anybody.
            for box in [b for b in client.boxes if not b.dir]:
                world.engine.dhow("rm", "-f", box.id)
                client.boxes.remove(box)
            check_tags(world, client, tags)


def kill_a_shim(world, clients, rng):
    """Its container ends with it; so much of its log as the shim had not read yet is lost."""
    shims = [(cid, pid) for cid, pids in sorted(checker.Machine(world.engine).shims.items()) for pid in pids]
    if not shims:
        return
    cid, pid = rng.choice(shims)
    for client in clients:
        for box in list(getattr(client, "boxes", ())):
            if box.id == cid:
                box.lossy = True
                box.may = box.may | {"exited"} | ({GONE} if box.rm else set()) | \
                    ({RUNNING, "restarting"} if box.policy != "no" else set())
                box.codes = box.codes | {137}
    # The number may be another's by now, a thread's of the daemon for example.
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if pid in checker.Machine(world.engine).shims.get(cid, ()):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def one_round(world, clients, rng, shims):
    world.pause.clear()
    for c in clients:
        c.idle.clear()
        c.go.set()
    time.sleep(rng.uniform(0.2, 1.5))
    if shims:
        world.pause.set()
        for c in clients:
            if not c.idle.wait(150):
                raise AssertionError(f"{c.name} hangs")
        for _ in range(rng.randrange(1, 4)):
            kill_a_shim(world, clients, rng)
        if rng.random() < 0.5:
            return
    world.engine.kill()
    world.pause.set()
    if rng.random() < 0.3:
        time.sleep(rng.uniform(0, 0.5))
    for c in clients:
        if not c.idle.wait(150):
            raise AssertionError(f"{c.name} hangs")
    took = world.engine.start()
    if took > SLOW_START:
        world.fault(f"the daemon took {took:.1f} s to start")


def finish(world, clients):
    """Everything is removed; then nothing may be left."""
    engine = world.engine
    for c in engine.containers():
        reply = engine.api.call("DELETE", f"/containers/{c['Id']}", force=1, v=1)
        if reply.status not in (204, 404, 409):
            world.fault(f"rm -f {c['Names']}: {reply}")
    known, bad = checker.settle(engine)
    for line in bad + [f"{c} is left" for c in known]:
        world.fault(line)
    print(f"{sum(c.done for c in clients)} operations; slowest start of the daemon "
          f"{engine.slowest * 1000:.0f} ms", flush=True)
    if engine.kill(signal.SIGTERM) != 0:
        world.fault(f"the daemon ended with {engine.proc.returncode}:\n{engine.log_tail()}")
    m = checker.Machine(engine)
    for what in ("shims", "waiting", "daemons", "cgroups", "mounts", "links", "ports"):
        if getattr(m, what):
            world.fault(f"left after the end: {what} {getattr(m, what)}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--hours", type=float, default=0)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    p.add_argument("--shims", action="store_true")
    p.add_argument("--keep-going", action="store_true", help="go on after a fault")
    o = p.parse_args()
    print(f"torture{' of shims' if o.shims else ''}: --seed {o.seed} --rounds {o.rounds}", flush=True)
    engine = Engine()
    engine.start()
    engine.find_parent()
    engine.diagnose = lambda why: checker.diagnose(engine, why)
    registry = make_registry(engine)
    world, rng = World(engine, registry, o.seed), random.Random(o.seed)
    clients = [Owner(world, i, o.seed) for i in range(OWNERS)] + \
        [Wild(world, OWNERS + i, o.seed) for i in range(WILD)]
    end = time.monotonic() + o.hours * 3600
    try:
        while world.round < o.rounds or time.monotonic() < end:
            world.round += 1
            one_round(world, clients, rng, o.shims)
            check(world, clients)
            if world.faults and not o.keep_going:
                break
            if world.round % 25 == 0:
                print(f"{world.round} rounds, {sum(c.done for c in clients)} operations", flush=True)
        if not world.faults or o.keep_going:
            finish(world, clients)
    finally:
        registry.stop()
    print(f"{world.round} rounds, {len(world.faults)} faults", flush=True)
    return 1 if world.faults else 0


if __name__ == "__main__":
    sys.exit(main())
