#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""races.py - two who ask for what does not go together, at the same time and over and over.

    races.py [--seconds N]

Each pair for so long. Whoever is told that something is done must find it so; the daemon must be the same in the end,
and nothing may be left.
"""
import argparse
import io
import json
import signal
import sys
import tarfile
import threading
import time

import checker
from engine import Engine


def import_text(n):
    """A root file system of its own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        data = str(n).encode()
        info = tarfile.TarInfo("number")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Races:
    def __init__(self, options):
        self.o, self.engine, self.faults, self.number = options, Engine(), 0, 0
        self.engine.start()
        self.engine.find_parent()
        self.api = self.engine.api

    def fault(self, text):
        self.faults += 1
        print(f"FAULT: {text}", flush=True)

    def beside(self, other, one, threads=3):
        """`other` over and over in threads of its own while `one` is done again and again."""
        over = threading.Event()

        def again():
            while not over.is_set():
                other()

        workers = [threading.Thread(target=again) for _ in range(threads)]
        for w in workers:
            w.start()
        end, n = time.monotonic() + self.o.seconds, 0
        try:
            while time.monotonic() < end and not self.faults:
                one()
                n += 1
        finally:
            over.set()
            for w in workers:
                w.join()
        return n

    def create(self, *command, **host):
        self.number += 1
        reply = self.api.call("POST", "/containers/create", {
            "Image": "busybox", "Cmd": list(command), "StopSignal": "SIGKILL",
            "HostConfig": {"NetworkMode": "none", **host}}, name=f"race{self.number}")
        if reply.status != 201:
            raise AssertionError(f"create: {reply}")
        return reply.json["Id"]

    # ---- the pairs ----

    def prune_and_tag(self):
        """What has been given a name is not pruned for having none."""
        def one():
            self.number += 1
            reply = self.api.call("POST", "/images/create", raw=import_text(self.number), fromSrc="-")
            image = json.loads(reply.body.splitlines()[-1])["status"]
            name = f"kept:{self.number}"
            if self.api.call("POST", f"/images/{image}/tag", repo="kept", tag=str(self.number)).status != 201:
                return
            time.sleep(0.02)
            if self.api.call("GET", f"/images/{name}/json").status != 200:
                self.fault(f"{name} is gone, pruned with its name")
            self.api.call("DELETE", f"/images/{name}")
        return self.beside(lambda: self.api.call("POST", "/images/prune"), one)

    def exec_and_remove(self):
        """No exec outlives its container."""
        current, made = [None], []

        def make():
            if current[0]:
                reply = self.api.call("POST", f"/containers/{current[0]}/exec", {"Cmd": ["true"]})
                if reply.status == 201:
                    made.append(reply.json["Id"])

        def one():
            ident = self.create("sleep", "1000")
            self.api.call("POST", f"/containers/{ident}/start")
            current[0] = ident
            time.sleep(0.01)
            self.api.call("DELETE", f"/containers/{ident}", force=1)
        n = self.beside(make, one, 5)
        for ident in made:
            if self.api.call("GET", f"/exec/{ident}/json").status != 404:
                self.fault(f"exec {ident} is known, its container is gone")
                break
        return n

    def copy_and_end(self):
        """A container that ends and goes is there to be read from, or it is not."""
        current = [None]

        def copy():
            if current[0]:
                reply = self.api.call("GET", f"/containers/{current[0]}/archive", path="/etc/hosts")
                if reply.status not in (200, 404, 409):
                    self.fault(f"cp: {reply}")

        def one():
            ident = self.create("sleep", "0.05", AutoRemove=True)
            self.api.call("POST", f"/containers/{ident}/start")
            current[0] = ident
            self.api.call("POST", f"/containers/{ident}/wait", condition="removed")
        return self.beside(copy, one)

    def link_and_rename(self):
        """A link is called as its target was or is: under AddressSanitizer one sees whose name is read."""
        target = self.create("sleep", "1000")
        self.api.call("POST", f"/containers/{target}/start")

        def rename():
            self.number += 1
            self.api.call("POST", f"/containers/{target}/rename", name=f"target{self.number}")

        def one():
            self.number += 1
            reply = self.api.call("POST", "/containers/create", {
                "Image": "busybox", "Cmd": ["true"], "HostConfig": {"Links": [target]}})
            if reply.status != 201:
                self.fault(f"create with a link: {reply}")
                return
            links = self.engine.inspect(reply.json["Id"])["HostConfig"]["Links"]
            if not links[0].rsplit("/", 1)[1].startswith(("target", "race")):
                self.fault(f"a link is called {links}")
            self.api.call("DELETE", f"/containers/{reply.json['Id']}")
        n = self.beside(rename, one)
        self.api.call("DELETE", f"/containers/{target}", force=1)
        return n

    def run(self):
        daemon = self.engine.pid
        for race in (self.prune_and_tag, self.exec_and_remove, self.copy_and_end, self.link_and_rename):
            print(f"{race.__name__}: {race()} times", flush=True)
        if self.engine.pid != daemon or not checker.alive(daemon):
            self.fault(f"the daemon is another:\n{self.engine.log_tail()}")
        _, bad = checker.settle(self.engine)
        for line in bad:
            self.fault(line)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=float, default=5)
    races = Races(p.parse_args())
    try:
        races.run()
    finally:
        races.engine.kill(signal.SIGTERM)
    print(f"{races.faults} faults", flush=True)
    return 1 if races.faults else 0


if __name__ == "__main__":
    sys.exit(main())
