# SPDX-License-Identifier: MIT
"""engine.py - an engine to torture: its daemon as a child of ours, and its API spoken directly.

A request that finds no daemon, or loses it on the way, raises Down: nobody knows what became of it. One that
is not answered within TIMEOUT seconds is a hang, and that is a failure.
"""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.parse

TIMEOUT = 90


class Down(Exception):
    """The daemon was not there, or died before it had answered."""


class Hang(Exception):
    """The daemon lives and does not answer."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    def __init__(self, status, body):
        self.status, self.body = status, body

    @property
    def json(self):
        return json.loads(self.body) if self.body.strip() else None

    @property
    def message(self):
        try:
            return json.loads(self.body)["message"]
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace")

    def __repr__(self):
        return f"{self.status} {self.message[:300]}"


class Api:
    def __init__(self, path):
        self.path = path

    def call(self, method, url, body=None, timeout=TIMEOUT, raw=None, **query):
        if query:
            url += "?" + urllib.parse.urlencode(query)
        c = Connection(self.path, timeout)
        headers, data = {}, raw
        if raw is not None:
            headers["Content-Type"] = "application/x-tar"
        elif body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        try:
            c.request(method, url, data, headers)
            r = c.getresponse()
            return Reply(r.status, r.read())
        except socket.timeout as e:
            raise Hang(f"{method} {url}: no answer in {timeout} s") from e
        except (OSError, http.client.HTTPException) as e:
            raise Down(f"{method} {url}: {e!r}") from e
        finally:
            c.close()


class Engine:
    """E_DIR and its daemon, as scripts/lib.sh prepared them."""

    def __init__(self, env=None):
        self.dir = os.environ["E_DIR"]
        self.sock = os.environ["E_SOCK"]
        self.bridge = os.environ["E_BRIDGE"]
        self.build = os.environ["BUILD"]
        self.data = self.dir + "/data"
        self.run = self.dir + "/run"
        self.db = self.data + "/state.db"
        self.cli = [self.build + "/src/cli/dhow", "-H", "unix://" + self.sock]
        self.api = Api(self.sock)
        self.prefix = []  # programs in front of the daemon's
        self.options = []
        self.env = dict(os.environ, **(env or {}))
        self.proc = None
        self.slowest = 0.0
        self.parent = None
        self.diagnose = None  # called with a text when something takes long

    @property
    def pid(self):
        with open(os.environ["E_PIDFILE"]) as f:
            return int(f.read())

    def start(self, wait=60):
        began, told = time.monotonic(), False
        with open(self.dir + "/log", "ab") as log:
            self.proc = subprocess.Popen(
                self.prefix + [self.build + "/src/daemon/dhowd", "--data-root", self.data, "--exec-root",
                               self.run, "-H", "unix://" + self.sock, "--pidfile", os.environ["E_PIDFILE"],
                               "--bridge", self.bridge] + self.options,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, start_new_session=True)
        while True:
            try:
                if self.api.call("GET", "/_ping", timeout=wait).status == 200:
                    break
            except Down:
                pass
            if self.proc.poll() is not None:
                raise AssertionError(f"the daemon ended at its start with {self.proc.returncode}:\n"
                                     + self.log_tail())
            if time.monotonic() - began > 4 and not told and self.diagnose:
                told = True
                self.diagnose("the daemon's start takes long")
            if time.monotonic() - began > wait:
                raise Hang("the daemon does not come up")
            time.sleep(0.005)
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        return took

    def kill(self, sig=signal.SIGKILL):
        if self.proc and self.proc.poll() is None:
            pid = self.proc.pid if not self.prefix else self.pid
            os.kill(pid, sig)
            self.proc.wait(60)
        return self.proc.returncode if self.proc else None

    def log_tail(self, lines=20):
        with open(self.dir + "/log", errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def dhow(self, *args, check=True, timeout=TIMEOUT):
        p = subprocess.run(self.cli + list(args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=timeout)
        if check and p.returncode:
            raise AssertionError(f"dhow {' '.join(args)}: {p.returncode}: {p.stderr.decode(errors='replace')}")
        return p

    def containers(self):
        return self.api.call("GET", "/containers/json", all=1).json

    def inspect(self, name):
        r = self.api.call("GET", f"/containers/{name}/json")
        return r.json if r.status == 200 else None

    def find_parent(self):
        """The cgroup that all containers' hang below, as a path in each hierarchy: learnt from one container."""
        cid = self.dhow("run", "-d", "--net", "none", "busybox", "sleep", "1000").stdout.decode().strip()
        pid = self.inspect(cid)["State"]["Pid"]
        with open(f"/proc/{pid}/cgroup") as f:
            self.parent = re.search(r"^\d+:[^:]*:(.*)/" + cid, f.read(), re.M)[1]
        self.dhow("rm", "-f", cid)


class Registry:
    """Debian's docker-registry on a free port of the loopback."""

    def __init__(self, directory):
        os.makedirs(directory + "/data")
        with open(directory + "/config.yml", "w") as f:
            f.write("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
                    f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
                    "http:\n  addr: 127.0.0.1:0\n")
        self.log = directory + "/log"
        with open(self.log, "wb") as log:
            self.proc = subprocess.Popen(["docker-registry", "serve", directory + "/config.yml"],
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         env=dict(os.environ, OTEL_TRACES_EXPORTER="none"))
        end = time.monotonic() + 30
        while True:
            with open(self.log) as f:
                m = re.search(r"listening on ([0-9.]+:\d+)", f.read())
            if m:
                break
            if self.proc.poll() is not None or time.monotonic() > end:
                raise AssertionError("the registry does not start")
            time.sleep(0.05)
        self.host = m[1]

    def stop(self):
        self.proc.kill()
        self.proc.wait()
