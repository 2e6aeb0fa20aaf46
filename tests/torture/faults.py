#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""faults.py - makes the N-th system call fail, for N = 1, 2, 3 ..., in dhowd or in dhow-shim, while a container is
created, started, used and removed; until an operation comes through without having met the failure.

    faults.py [--stride N] [--seed S] [--target dhowd|dhow-shim] [--errors EIO,ENOSPC] [--ops create,start] [--only N]

Whatever fails must say so or succeed, within its time; nobody may crash; what was said to be done must be so; and
after the container's removal nothing may be left. --stride takes every N-th call only (beginning at a random one).
"""
import argparse
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import time

import checker
from engine import Down, Engine, Hang

ERRORS = ["EIO", "ENOSPC", "ENOMEM", "EINTR"]
OPS = ["create", "start", "exec", "stop", "end", "rm"]
LIMIT = 75  # seconds for one operation: a shim may be waited for for a minute


class Injector:
    def __init__(self, path):
        self.path = path

    def say(self, text):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(30)
        s.connect(self.path)
        s.sendall(text.encode())
        answer = s.recv(100).decode().split()
        s.close()
        return answer


class Faults:
    def __init__(self, options):
        self.o = options
        self.engine = Engine()
        self.number = 0
        self.what = "the start"
        self.generation = 0
        self.failures, self.injected, self.dropped = [], 0, 0
        self.calls = call_names()
        self.start_daemon()
        self.engine.find_parent()
        _, bad = checker.settle(self.engine)
        if bad:
            raise AssertionError(f"not even clean at the start: {bad}")

    def start_daemon(self):
        self.generation += 1
        self.injector = Injector(f"{self.engine.dir}/inject{self.generation}")
        self.engine.prefix = [self.engine.build + "/tests/torture/inject", self.injector.path]
        self.engine.start()
        self.daemon = self.engine.pid

    # ---- one operation ----

    def call(self, method, url, body=None, **query):
        return self.engine.api.call(method, url, body, timeout=LIMIT, **query)

    def create(self):
        self.number += 1
        return self.call("POST", "/containers/create", {
            "Image": "busybox", "HostConfig": {"NetworkMode": "bridge", "PortBindings": {
                "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "19210"}]}},
            "Cmd": ["sh", "-c", "trap 'exit 9' TERM; trap 'exit 5' USR1; echo up; while :; do sleep 0.02; done"]},
            name=f"f{self.number}")

    def start(self):
        return self.call("POST", f"/containers/f{self.number}/start")

    def exec(self):
        r = self.call("POST", f"/containers/f{self.number}/exec",
                      {"Cmd": ["sh", "-c", "echo out; exit 3"], "AttachStdout": True, "AttachStderr": True})
        if r.status != 201:
            return r
        ident = r.json["Id"]
        r = self.call("POST", f"/exec/{ident}/start", {"Detach": False})
        if r.status == 200:
            e = self.call("GET", f"/exec/{ident}/json")
            # A pipe that cannot be read, which does not happen, has no output to give.
            ended = e.status == 200 and not e.json["Running"] and e.json["ExitCode"] == 3
            if self.target != "dhow-shim" and ended and b"out\n" not in r.body:
                self.fail(f"exec: its output is {r.body!r}")
        return r

    def stop(self):
        return self.call("POST", f"/containers/f{self.number}/stop", t=5)

    def end(self):
        """It ends by itself: nobody asks, so nobody is told of an error."""
        r = self.call("POST", f"/containers/f{self.number}/kill", signal="USR1")
        if r.status >= 300:
            return r
        return self.call("POST", f"/containers/f{self.number}/wait")

    def rm(self):
        return self.call("DELETE", f"/containers/f{self.number}", force=1, v=1)

    # ---- around it ----

    def fail(self, text):
        self.failures.append(text)
        print(f"FAULT: {text} [{self.what}]", flush=True)

    def prepare(self, op):
        """Everything up to the operation, without failures."""
        for before in {"create": (), "start": ("create",), "rm": ("create", "start")}.get(op, ("create", "start")):
            r = getattr(self, before)()
            if r.status >= 300 and before == "start":
                # A shim that waited for its container when the last failure hit may only now have said so.
                r = self.start()
            if r.status >= 300:
                raise AssertionError(f"{before} without any failure, before it is to {op}: {r}")
        # Before its traps are set it would not hear a signal.
        while op in ("stop", "end") and not self.call("GET", f"/containers/f{self.number}/logs", stdout=1).body:
            time.sleep(0.01)

    def judge(self, op, reply):
        c = self.engine.inspect(f"f{self.number}")
        if op == "create" and (c is not None) != (reply.status == 201):
            self.fail(f"create said {reply}, but the container is {'there' if c else 'not there'}")
        if op == "rm" and reply.status == 204 and c:
            self.fail("rm said that it was done, but the container is there")
        if op == "start" and reply.status == 204 and c["State"]["Status"] != "running":
            # It may have been killed by what failed afterwards; then it must have ended like it.
            if c["State"]["Status"] != "exited" or c["State"]["ExitCode"] not in (137, 255):
                self.fail(f"start said that it was done, but it is {c['State']}")
        if op == "stop" and reply.status == 204 and c["State"]["Running"]:
            self.fail("stop said that it was done, but it runs")
        if op in ("start", "exec", "end") and reply.status < 300 and c["State"]["Running"] and op != "end":
            self.usable()
        if op == "end" and reply.status == 200:
            code = reply.json["StatusCode"]
            if code != c["State"]["ExitCode"] or code not in (5, 137):
                self.fail(f"wait said {code}, inspect {c['State']['ExitCode']}; it was 5")
        if reply.status >= 300 and not reply.message.strip():
            self.fail(f"no reason is given: {reply}")

    def usable(self):
        """A container that runs can be used: its shim has not become deaf."""
        try:
            r = self.exec()
            if r.status != 200:
                self.fail(f"afterwards exec says {r}")
        except (Down, Hang) as e:
            self.fail(f"afterwards: {e}")

    def daemon_lives(self):
        return checker.alive(self.daemon)

    def recover(self):
        """From a daemon that is dead."""
        self.fail(f"the daemon is dead:\n{self.engine.log_tail(8)}")
        try:
            self.engine.proc.wait(20)
        except subprocess.TimeoutExpired:
            pass  # its shims have the filter, too
        self.start_daemon()

    def one(self, op, target, error, n):
        """True while the failure was met."""
        self.what, self.target = f"{op} {target} {error} call {n}", target
        self.prepare(op)
        self.injector.say(f"arm {target} {n} {getattr(errno, error)}")
        reply, began = None, time.monotonic()
        try:
            reply = getattr(self, op)()
        except Hang as e:
            self.fail(str(e))
        except Down as e:
            if self.daemon_lives():
                # The one connection: accepting it, or answering on it, was what failed.
                self.dropped += 1
        took = time.monotonic() - began
        # What goes on behind the answer may fail as well.
        time.sleep(self.o.linger)
        self.target = None
        word, value = self.injector.say("off") if self.daemon_lives() else ("hit", "-1")
        if word == "hit":
            self.injected += 1
            self.what += f" = {self.calls.get(int(value), value)}"
        if took > 45:
            self.fail(f"took {took:.0f} s: {reply}")
        if not self.daemon_lives():
            self.recover()
        if reply:
            self.judge(op, reply)
        if self.o.verbose:
            print(f"{self.what}: {reply}", flush=True)
        r = self.call("DELETE", f"/containers/f{self.number}", force=1, v=1)
        if r.status not in (204, 404):
            self.fail(f"cannot be removed afterwards: {r}")
        _, bad = checker.settle(self.engine, 1)
        # What could not be deleted behind the answer lies in tmp/ until the next start.
        if not bad or (word == "hit" and all(line.startswith("tmp/ ") for line in bad)):
            pass
        else:
            _, bad = checker.settle(self.engine, 15)
            for line in bad:
                self.fail(line)
        if bad:
            self.clean_up()
        return word == "hit"

    def clean_up(self):
        """The next one shall not suffer from this one: by the daemon's own repair at a start."""
        self.engine.kill()
        self.start_daemon()
        _, bad = checker.settle(self.engine, 10)
        if bad:
            self.fail(f"not even a new daemon clears it away: {bad}")
            raise AssertionError("cannot go on")

    def run(self):
        rng = random.Random(self.o.seed)
        for target in self.o.target:
            for op in self.o.ops:
                for error in self.o.errors:
                    n = self.o.only or 1 + rng.randrange(self.o.stride)
                    count = missed = 0
                    while missed < 2:
                        missed = 0 if self.one(op, target, error, n) else missed + 1
                        count += 1
                        n += self.o.stride
                        if self.o.only or len(self.failures) > self.o.most:
                            break
                    print(f"{target} {op} {error}: {count} calls failed in turn, up to the {n}th", flush=True)
                    if len(self.failures) > self.o.most:
                        return


def call_names():
    """Numbers to names, for the reader; without ausyscall the numbers must do."""
    try:
        out = subprocess.run(["ausyscall", "--dump"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             check=False).stdout.decode()
        return {int(a): b for a, b in (line.split("\t") for line in out.splitlines()[1:])}
    except FileNotFoundError:
        pass
    names = {}
    try:
        with open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h") as f:
            for line in f:
                w = line.split()
                if len(w) == 3 and w[1].startswith("__NR_"):
                    names[int(w[2])] = w[1][5:]
    except FileNotFoundError:
        pass
    return names


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--stride", type=int, default=1)
    p.add_argument("--only", type=int, default=0)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    p.add_argument("--target", type=lambda s: s.split(","), default=["dhowd", "dhow-shim"])
    p.add_argument("--errors", type=lambda s: s.split(","), default=ERRORS)
    p.add_argument("--ops", type=lambda s: s.split(","), default=OPS)
    p.add_argument("--linger", type=float, default=0.02)
    p.add_argument("--most", type=int, default=0, help="stop after so many faults")
    p.add_argument("--verbose", action="store_true")
    o = p.parse_args()
    print(f"faults: --seed {o.seed} --stride {o.stride}", flush=True)
    f = Faults(o)
    try:
        f.run()
    except (AssertionError, Down, Hang) as e:
        f.fail(f"cannot go on: {e}")
    finally:
        f.engine.kill(signal.SIGTERM)
    print(f"{f.injected} failures injected, {len(f.failures)} faults", flush=True)
    return 1 if f.failures else 0


if __name__ == "__main__":
    sys.exit(main())
