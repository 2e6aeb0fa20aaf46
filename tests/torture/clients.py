# SPDX-License-Identifier: MIT
"""clients.py - clients that make and break containers and images at random.

An Owner is the only one who touches its containers, so it knows what must be true of them: what the daemon has
confirmed holds, also after its death; what it had not answered when it died may or may not have happened, and
both are kept as possible (`may`). A Wild client works on names that all wild ones share: nothing is known of these
but that no answer may be a server error, and that whatever is left must be sound.
"""
import io
import os
import random
import tarfile
import threading
import time

from checker import parse_runs, read
from engine import Down

CREATED, RUNNING, PAUSED, EXITED, GONE = "created", "running", "paused", "exited", "gone"


class Box:
    """What an owner knows of one of its containers."""

    def __init__(self, name, directory, code, lines, net, port, policy, rm):
        self.name, self.dir, self.code, self.lines = name, directory, code, lines
        self.net, self.port, self.policy, self.rm = net, port, policy, rm
        self.names = {name}       # that it may have
        self.id = None
        self.may = {GONE}         # states that are possible
        self.codes = {0}          # exit codes that are possible when it is exited
        self.starts = (0, 0)      # how often it was started: at least, at most (None: by its policy, too)
        self.lossy = False        # its shim was killed: the end of its log may be lost
        self.unseen = 0           # ends that may have come before the program's first line
        self.log_drains = True

    def __repr__(self):
        return (f"{self.name} ({(self.id or '')[:12]}) may be {sorted(self.may)} codes {sorted(self.codes)} "
                f"starts {self.starts} lines {self.lines} policy {self.policy!r} rm {self.rm}")

    def body(self, counter, interval):
        host = {"Binds": [f"{counter}:/counter:ro", f"{self.dir}:/w"], "NetworkMode": self.net,
                "AutoRemove": self.rm, "RestartPolicy": {"Name": self.policy}}
        body = {"Image": "busybox", "HostConfig": host,
                "Cmd": ["/counter", "/w/out", str(self.code), str(interval), str(self.lines)]}
        if self.port:
            host["PortBindings"] = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(self.port)}]}
        return body


class Client(threading.Thread):
    """Works in rounds: run() does operations until `pause` is set, or the daemon is lost."""

    def __init__(self, world, number, seed):
        super().__init__(daemon=True, name=f"client-{number}")
        self.world, self.number = world, number
        self.random = random.Random(f"{seed}/{number}")
        self.api = world.engine.api
        self.done = 0
        self.go, self.idle = threading.Event(), threading.Event()
        self.start()

    def run(self):
        while True:
            self.go.wait()
            self.go.clear()
            try:
                while not self.world.pause.is_set():
                    self.operate()
                    self.done += 1
            except Down:
                pass
            except Exception as e:  # pylint: disable=broad-except
                self.world.fault(f"{self.name}: {e!r}")
            self.idle.set()

    def expect(self, reply, good, what):
        if reply.status not in good:
            raise AssertionError(f"{what}: {reply}")
        return reply


class Owner(Client):
    MAX = 6

    def __init__(self, world, number, seed):
        self.boxes, self.made, self.tags, self.maybe_tags = [], 0, set(), set()
        super().__init__(world, number, seed)

    def operate(self):
        r = self.random
        if len(self.boxes) < 2 or (len(self.boxes) < self.MAX and r.random() < 0.3):
            return self.create()
        box = r.choice(self.boxes)
        ops = [self.begin] * 6 + [self.stop] * 3 + [self.kill] * 2 + [self.restart] * 2 + [self.pause_op] * 2 + \
            [self.remove] * 4 + [self.rename] * 2 + [self.exec_op] * 4 + [self.copy] * 2 + [self.look] * 3 + \
            [self.commit] + [self.images] * 2 + [self.build] + [self.signal]
        return r.choice(ops)(box)

    # ---- containers ----

    def create(self):
        r, w = self.random, self.world
        self.made += 1
        name = f"o{self.number}x{self.made}"
        directory = f"{w.work}/{name}"
        os.mkdir(directory)
        finite = r.random() < 0.4
        rm = finite and r.random() < 0.4
        policy = "unless-stopped" if not rm and r.random() < 0.12 else "no"
        port = w.port() if r.random() < 0.2 else 0
        net = "bridge" if port or r.random() < 0.4 else "none"
        box = Box(name, directory, r.randrange(3, 100), r.randrange(1, 60) if finite else 0, net, port, policy, rm)
        box.may |= {CREATED}
        self.boxes.append(box)
        reply = self.expect(self.api.call("POST", "/containers/create", box.body(w.counter, w.interval), name=name),
                            {201}, f"create {name}")
        box.id, box.may = reply.json["Id"], {CREATED}
        if r.random() < 0.8:
            self.begin(box)

    @staticmethod
    def ends_by_itself(box):
        return box.lines > 0 and box.policy == "no"

    def running_states(self, box):
        """What a container is when it has been started."""
        if box.rm:
            return {RUNNING, GONE}
        if self.ends_by_itself(box):
            return {RUNNING, EXITED}
        if box.policy == "unless-stopped" and box.lines:
            return {RUNNING, "restarting"}
        return {RUNNING}

    def started(self, box, certain):
        low, high = box.starts
        states = self.running_states(box)
        if certain:
            box.may, box.codes = states, {box.code}
        else:
            box.may, box.codes = box.may | states, box.codes | {box.code}
        if high is not None:
            high = None if box.policy == "unless-stopped" else high + 1
        box.starts = (low + certain, high)

    def certainly(self, box, *states):
        return box.may <= set(states)

    def begin(self, box):
        if not self.certainly(box, CREATED, EXITED) or not box.id:
            return
        if box.rm and self.certainly(box, EXITED):
            return
        before = set(box.may), set(box.codes)
        self.started(box, False)
        reply = self.expect(self.api.call("POST", f"/containers/{box.id}/start"), {204, 304}, f"start {box}")
        if reply.status == 304:
            raise AssertionError(f"start {box}: already started, was {before}")
        box.starts = (box.starts[0], box.starts[1] if box.starts[1] is None else box.starts[1] - 1)
        self.started(box, True)

    def end(self, box, url, good, codes, **query):
        """stop and kill: afterwards it has ended."""
        if box.may & {GONE, PAUSED, CREATED} or not box.id:
            return
        ended = {GONE} if box.rm else {EXITED}
        before, before_codes = set(box.may), set(box.codes)
        box.unseen += 1
        box.may, box.codes = before | ended, before_codes | codes
        reply = self.expect(self.api.call("POST", url, **query), good, f"{url} {box}")
        if reply.status == 409:  # it was not running: only kill says so
            if before == {RUNNING} and not self.ends_by_itself(box):
                raise AssertionError(f"{url} {box}: {reply}, was {before}")
            box.may, box.codes = before - {RUNNING}, before_codes
            return
        box.may = ended
        box.codes = before_codes | codes if self.ends_by_itself(box) or box.policy == "unless-stopped" \
            or before != {RUNNING} else codes

    @staticmethod
    def heard(box):
        """Whether the last start's program has written its first line: before that it would ignore SIGTERM, as
        PID 1 does, and be killed in the end."""
        end = time.monotonic() + 2
        while time.monotonic() < end:
            runs, _ = parse_runs(read(box.dir + "/out").splitlines())
            if max(runs, default=0) >= box.starts[0]:
                return True
            time.sleep(0.02)
        return False

    def stop(self, box):
        heard = box.dir and self.heard(box)
        codes = {box.code} if heard else {box.code, 137}
        self.end(box, f"/containers/{box.id}/stop", {204, 304}, codes, t=60 if heard else 5)

    def kill(self, box):
        self.end(box, f"/containers/{box.id}/kill", {204, 409}, {137})

    def signal(self, box):
        """One that the program does not mind: its default is to be ignored."""
        if self.certainly(box, RUNNING):
            self.expect(self.api.call("POST", f"/containers/{box.id}/kill", signal="CHLD"), {204},
                        f"signal {box}")

    def restart(self, box):
        if box.may & {GONE, PAUSED, CREATED} or not box.id or box.rm:
            return
        before, codes = set(box.may), set(box.codes)
        low, high = box.starts
        box.unseen += 1
        self.started(box, False)
        box.may |= {EXITED}
        self.expect(self.api.call("POST", f"/containers/{box.id}/restart", t=20), {204}, f"restart {box}")
        box.may, box.codes, box.starts = before, codes, (low, high)
        self.started(box, True)

    def pause_op(self, box):
        if not self.certainly(box, RUNNING, PAUSED) or box.rm or box.lines:
            return
        how = "unpause" if self.certainly(box, PAUSED) else "pause"
        if how == "pause" and not self.certainly(box, RUNNING):
            return
        box.may = {RUNNING, PAUSED}
        self.expect(self.api.call("POST", f"/containers/{box.id}/{how}"), {204}, f"{how} {box}")
        box.may = {PAUSED if how == "pause" else RUNNING}

    def remove(self, box):
        if not box.id:
            return
        force = not self.certainly(box, CREATED, EXITED) or self.random.random() < 0.3
        box.may = box.may | {GONE, EXITED}
        box.codes = box.codes | {137}
        box.unseen += 1
        reply = self.api.call("DELETE", f"/containers/{box.id}", force=int(force), v=1)
        good = {204, 404, 409} if box.rm else {204}
        self.expect(reply, good, f"rm {'-f ' if force else ''}{box}")
        if reply.status == 409:
            return
        box.may = {GONE}
        if self.api.call("GET", f"/containers/{box.id}/json").status != 404:
            raise AssertionError(f"{box} is there after rm")
        self.boxes.remove(box)

    def rename(self, box):
        if not box.id or box.rm or len(box.names) > 1:
            return
        self.made += 1
        name = f"o{self.number}r{self.made}"
        box.names.add(name)
        self.expect(self.api.call("POST", f"/containers/{box.id}/rename", name=name), {204}, f"rename {box}")
        box.names = {name}

    def exec_op(self, box):
        if not self.certainly(box, RUNNING) or box.rm or box.lines:
            return
        code = self.random.randrange(100)
        made = self.expect(self.api.call("POST", f"/containers/{box.id}/exec", {
            "Cmd": ["sh", "-c", f"echo out {code}; exit {code}"], "AttachStdout": True, "AttachStderr": True}),
            {201}, f"exec {box}").json["Id"]
        reply = self.expect(self.api.call("POST", f"/exec/{made}/start", {"Detach": False}), {200},
                            f"exec start {box}")
        if f"out {code}\n".encode() not in reply.body:
            # A daemon that dies meanwhile leaves a stream that merely ends; whoever is alive must have it all.
            self.api.call("GET", "/_ping")
            raise AssertionError(f"exec in {box}: got {reply.body!r}, expected 'out {code}'")
        got = self.expect(self.api.call("GET", f"/exec/{made}/json"), {200}, f"exec inspect {box}").json
        if got["Running"] or got["ExitCode"] != code:
            raise AssertionError(f"exec in {box}: {got['Running']} {got['ExitCode']}, expected {code}")

    def copy(self, box):
        if box.may & {GONE} or not box.id or box.rm:
            return
        text = os.urandom(self.random.choice([10, 5000, 200000]))
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as t:
            info = tarfile.TarInfo("copied")
            info.size = len(text)
            t.addfile(info, io.BytesIO(text))
        self.expect(self.api.call("PUT", f"/containers/{box.id}/archive", raw=tar.getvalue(), path="/root"), {200},
                    f"cp into {box}")
        back = self.expect(self.api.call("GET", f"/containers/{box.id}/archive", path="/root/copied"), {200},
                           f"cp from {box}").body
        with tarfile.open(fileobj=io.BytesIO(back)) as t:
            if t.extractfile("copied").read() != text:
                raise AssertionError(f"cp from {box}: other bytes than went in")

    def look(self, box):
        if box.may & {GONE} or not box.id:
            return
        url = self.random.choice([f"/containers/{box.id}/logs?stdout=1&tail=20", "/containers/json?all=1",
                                  f"/containers/{box.id}/json", f"/containers/{box.id}/stats?stream=0&one-shot=1",
                                  f"/containers/{box.id}/changes", "/system/df", "/info"])
        self.expect(self.api.call("GET", url), {200}, f"{url} of {box}")

    # ---- images ----

    def commit(self, box):
        if box.may & {GONE, PAUSED} or not box.id or box.rm:
            return
        self.made += 1
        repo, tag = f"img{self.number}", str(self.made)
        self.maybe_tags.add(f"{repo}:{tag}")
        self.expect(self.api.call("POST", "/commit", {}, container=box.id, repo=repo, tag=tag), {201},
                    f"commit {box}")
        self.maybe_tags.discard(f"{repo}:{tag}")
        self.tags.add(f"{repo}:{tag}")

    def images(self, box):
        del box
        r = self.random
        if self.tags and r.random() < 0.6:
            tag = r.choice(sorted(self.tags))
            if r.random() < 0.4 and len(self.tags) < 12:
                self.made += 1
                new = f"tag{self.number}:{self.made}"
                self.maybe_tags.add(new)
                self.expect(self.api.call("POST", f"/images/{tag}/tag", repo=new.split(":")[0],
                                          tag=new.split(":")[1]), {201}, f"tag {tag}")
                self.maybe_tags.discard(new)
                self.tags.add(new)
                return
            self.tags.discard(tag)
            self.maybe_tags.add(tag)
            self.expect(self.api.call("DELETE", f"/images/{tag}"), {200}, f"rmi {tag}")
            self.maybe_tags.discard(tag)
        elif self.world.registry:
            name = f"{self.world.registry.host}/p{r.randrange(3)}"
            reply = self.expect(self.api.call("POST", "/images/create", fromImage=name, tag="latest"), {200},
                                f"pull {name}")
            if b'"error"' in reply.body:
                raise AssertionError(f"pull {name}: {reply.body[-300:]!r}")
            if r.random() < 0.7:
                self.expect(self.api.call("DELETE", f"/images/{name}:latest"), {200, 404, 409}, f"rmi {name}")

    def build(self, box):
        """A step of a build: a container makes files, becomes an image, and goes."""
        del box
        self.made += 1
        name, tag = f"b{self.number}x{self.made}", f"built{self.number}:{self.made}"
        work = Box(name, None, 0, 0, "none", 0, "no", False)
        work.may = {GONE, CREATED, RUNNING, EXITED}
        work.codes = {0, 7}
        work.log_drains = False
        self.boxes.append(work)
        made = self.expect(self.api.call("POST", "/containers/create", {
            "Image": "busybox", "HostConfig": {"NetworkMode": "none"},
            "Cmd": ["sh", "-c", f"head -c 30000 /dev/urandom >/file; echo {tag} >/tag; exit 7"]}, name=name),
            {201}, f"create {name}")
        work.id = made.json["Id"]
        self.expect(self.api.call("POST", f"/containers/{work.id}/start"), {204}, f"start {name}")
        code = self.expect(self.api.call("POST", f"/containers/{work.id}/wait"), {200}, f"wait {name}").json
        if code["StatusCode"] != 7:
            raise AssertionError(f"wait {name}: {code}, expected 7")
        self.maybe_tags.add(tag)
        self.expect(self.api.call("POST", "/commit", {}, container=work.id, repo=tag.split(":")[0],
                                  tag=tag.split(":")[1]), {201}, f"commit {name}")
        self.maybe_tags.discard(tag)
        self.tags.add(tag)
        self.expect(self.api.call("DELETE", f"/containers/{work.id}"), {204}, f"rm {name}")
        self.boxes.remove(work)


class Wild(Client):
    NAMES = 5

    def operate(self):
        r = self.random
        name = f"w{r.randrange(self.NAMES)}"
        url = f"/containers/{name}"
        what = r.choice(["create", "create", "start", "start", "start", "stop", "kill", "restart", "pause", "unpause",
                         "rm", "rm -f", "rename", "exec", "inspect", "logs", "commit", "prune", "top"])
        call = self.api.call
        if what == "create":
            reply = call("POST", "/containers/create", {
                "Image": "busybox", "Cmd": ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.2; done"],
                "HostConfig": {"NetworkMode": r.choice(["bridge", "none"]), "AutoRemove": r.random() < 0.3,
                               "RestartPolicy": {"Name": "no"}}}, name=name)
        elif what in ("start", "pause", "unpause", "kill"):
            reply = call("POST", f"{url}/{what}")
        elif what in ("stop", "restart"):
            reply = call("POST", f"{url}/{what}", t=1)
        elif what == "rm":
            reply = call("DELETE", url)
        elif what == "rm -f":
            reply = call("DELETE", url, force=1)
        elif what == "rename":
            reply = call("POST", f"{url}/rename", name=f"w{r.randrange(self.NAMES)}")
        elif what == "exec":
            reply = call("POST", f"{url}/exec", {"Cmd": ["true"], "AttachStdout": True})
            if reply.status == 201:
                reply = call("POST", f"/exec/{reply.json['Id']}/start", {"Detach": r.random() < 0.5})
        elif what == "inspect":
            reply = call("GET", f"{url}/json")
        elif what == "logs":
            reply = call("GET", f"{url}/logs", stdout=1)
        elif what == "commit":
            reply = call("POST", "/commit", {}, container=name, repo="wild", tag="x")
        elif what == "prune":
            reply = call("POST", "/images/prune")
        else:
            reply = call("GET", f"{url}/top")
        if reply.status >= 500:
            self.world.fault(f"wild {what} {name}: {reply}")
