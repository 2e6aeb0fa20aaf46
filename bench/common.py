# SPDX-License-Identifier: MIT
"""common - how everything in bench/ measures, and where it writes what it found.

An engine is given to a script as 'NAME|PIDFILE|SPACE|COMMAND': the file with its daemon's process id (or nothing), a
process in whose network and mount namespaces its clients run (or nothing; PID:mnt for the latter alone), and the
client's command line.

BENCH_RESULTS names the file of results (one JSON object, see Results); without it only the short lines on the
standard output are left. bench/report makes the tables and the plot of it.
"""
import contextlib
import ctypes
import http.client
import json
import os
import random
import select
import signal
import socket
import statistics
import subprocess
import sys
import time

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))  # for one work with all engines, after LEAST rounds
LEAST = 3
CALM = 0.05  # before each: what the one before still does behind is not this one's time
CALM_AT_MOST = 0.5  # on a machine that does other things, too
SCRATCH = os.environ.get("BENCH_DIR", "/tmp")
ORDER = random.Random(1)
TICKS = os.sysconf("SC_CLK_TCK")
NULL = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def brief(args):
    text = " ".join(map(str, args))
    return text if len(text) <= 60 else text[:57] + "..."


# ---- namespaces ----

def namespaces(space):
    pid, _, only = space.partition(":")
    kinds = [only] if only else ["net", "mnt"]
    return [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]


def enter(fds):
    for fd in fds:
        if libc.setns(fd, 0) < 0:
            raise OSError(ctypes.get_errno(), "setns")


OUTSIDE = namespaces("self")


# ---- processes ----

def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pss(pid):
    """MB."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()


def parent(pid):
    return int(stat(pid)[1])


def cpu(pid):
    """Seconds of processor time, of its threads and of the children that it has reaped."""
    return sum(int(x) for x in stat(pid)[11:15]) / TICKS


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as f:
            found += [int(p) for p in f.read().split()]
    return found


def comm(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().strip()


def wait_until(condition, what, seconds=60, step=0.001):
    """For what no descriptor tells: another engine's files and sockets."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(step)


def busy_ticks():
    with open("/proc/stat") as f:
        user, nice, system, idle, wait, *rest = map(int, f.readline().split()[1:9])
    return user + nice + system + sum(rest)


def settle():
    """Returns when the machine has done next to nothing for CALM seconds, or after CALM_AT_MOST."""
    end = time.perf_counter() + CALM_AT_MOST
    allowed = 1 + CALM * TICKS * os.cpu_count() // 10
    while True:
        before = busy_ticks()
        time.sleep(CALM)
        if busy_ticks() - before <= allowed or time.perf_counter() > end:
            return


# ---- engines ----

class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    def __init__(self, spec):
        self.name, self.pidfile, space, command = spec.split("|")
        self.command = command.split()
        self.space = namespaces(space) if space else []

    podman = property(lambda self: self.name.startswith("podman"))
    dhow = property(lambda self: self.name in ("dhow", "before"))

    @contextlib.contextmanager
    def inside(self):
        """Where its clients run, and its published ports are."""
        enter(self.space)
        try:
            yield
        finally:
            if self.space:
                enter(OUTSIDE)

    def argv(self, *args):
        return [*self.command, *map(str, args)]

    def spawn(self, *args, stdin=NULL, stdout=NULL, stderr=None, **how):
        argv = self.argv(*args)
        dup = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
        if stderr is not None:
            dup.append((os.POSIX_SPAWN_DUP2, stderr, 2))
        return os.posix_spawn(argv[0], argv, os.environ, file_actions=dup, **how)

    def run(self, *args, ok=(0,), **how):
        """Seconds that one command takes."""
        with self.inside():
            start = time.perf_counter()
            code = wait(self.spawn(*args, **how))
            took = time.perf_counter() - start
        if code not in ok:
            raise Failed(f"{brief(args)}: ended with {code}")
        return took

    def together(self, commands):
        """Seconds until all of them, begun at once, have ended."""
        with self.inside():
            start = time.perf_counter()
            pids = [self.spawn(*c) for c in commands]
            codes = [wait(pid) for pid in pids]
            took = time.perf_counter() - start
        if any(codes):
            raise Failed(f"{brief(commands[0])}: {sum(map(bool, codes))} failed")
        return took

    def on_terminal(self, *args):
        """Seconds that a command takes which has a terminal."""
        master, slave = os.openpty()
        with self.inside():
            start = time.perf_counter()
            pid = self.spawn(*args, stdin=slave, stdout=slave, setsid=True)
            os.close(slave)
            with contextlib.suppress(OSError):  # EIO: nobody has it open any more
                while os.read(master, 4096):
                    pass
            code = wait(pid)
            took = time.perf_counter() - start
        os.close(master)
        if code:
            raise Failed(f"{brief(args)}: ended with {code}")
        return took

    def ask(self, *args):
        with self.inside():
            done = subprocess.run(self.argv(*args), stdin=NULL, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{brief(args)}: {done.stderr.strip()[-200:]}")
        return done.stdout.strip()

    def remove(self, *names):
        """As many as there are. Podman would let each have its ten seconds first, and remove none if one is missing."""
        for i in range(0, len(names), 100):
            self.run("rm", "-f", *(["-i", "-t", "0"] if self.podman else []), *names[i:i + 100], stderr=NULL, ok=(0, 1))

    def sleepers(self, names, *options):
        for name in names:
            self.run("run", "-d", "--name", name, "--stop-signal", "KILL", *options, "busybox", "sleep", "100000")

    def pid(self):
        """The daemon's."""
        with open(self.pidfile) as f:
            return int(f.read())

    def daemons(self):
        """The daemon, and Docker's containerd."""
        if not self.pidfile:
            return []
        pid = self.pid()
        return [pid, *(p for p in children(pid) if comm(p) == "containerd")]

    def supervisors(self, names):
        """The parents of the containers' first processes."""
        pids = []
        for i in range(0, len(names), 100):
            pids += self.ask("inspect", "-f", "{{.State.Pid}}", *names[i:i + 100]).split()
        return [parent(int(pid)) for pid in pids]

    def socket(self):
        return self.command[self.command.index("-H") + 1].removeprefix("unix://")

    def answers(self):
        connection = UnixConnection(self.socket())
        try:
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def restart(self):
        """Ends the daemon and starts it again; seconds from its start to its first answer. The new one is a child
        of ours, in a session of its own: it stays when this script ends."""
        pid = self.pid()
        with open(f"/proc/{pid}/cmdline") as f:
            argv = f.read().split("\0")[:-1]
        program = os.readlink(f"/proc/{pid}/exe")
        watch = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        ended(watch)
        with self.inside():
            start = time.perf_counter()
            os.posix_spawn(program, argv, os.environ, setsid=True,
                           file_actions=[(os.POSIX_SPAWN_DUP2, NULL, fd) for fd in (0, 1, 2)])
            wait_until(self.answers, f"{self.name}: the daemon's answer", 300)
            return time.perf_counter() - start

    def version(self):
        text = self.ask("version", "-f", "{{.Client.Version}}" if self.podman else "{{.Server.Version}}")
        return text.split("\n")[0].split(":")[-1].strip()


def ended(pidfd):
    if not select.select([pidfd], [], [], 120)[0]:
        raise Failed("the daemon does not end")
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    os.close(pidfd)


class Program:
    """Not an engine: one command that does the work, like the floor."""

    def __init__(self, name, argv):
        self.name, self.argv = name, argv

    def run(self):
        start = time.perf_counter()
        code = wait(os.posix_spawn(self.argv[0], self.argv, os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, NULL, 0), (os.POSIX_SPAWN_DUP2, NULL, 1)]))
        took = time.perf_counter() - start
        if code:
            raise Failed(f"{os.path.basename(self.argv[0])}: ended with {code}")
        return took


# ---- results ----

def shuffled(names):
    """The order of a round: who always followed the same one would always bear what that one leaves behind."""
    return ORDER.sample(list(names), len(names))


def show(value, unit):
    if unit == "s":
        ms = value * 1000
        return (f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.0f} ms" if ms >= 100 else
                f"{ms:.1f} ms" if ms >= 0.95 else f"{ms * 1000:.0f} µs")
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}{' ' + unit if unit else ''}"


class Results:
    """{"header": {...}, "records": [{"subject", "work", "unit", "better": "less" or "more", "n": containers or null,
    "grows": whether the work grows with n, "values": {name: [each round]}}, ...], "skipped": [text, ...]}"""

    def __init__(self, subject):
        self.subject, self.path = subject, os.environ.get("BENCH_RESULTS")

    def update(self, change):
        if not self.path:
            return
        data = load(self.path) if os.path.exists(self.path) else {"header": {}, "records": [], "skipped": []}
        change(data)
        with open(self.path + ".new", "w") as f:
            json.dump(data, f, indent=1)
            f.write("\n")
        os.rename(self.path + ".new", self.path)

    def add(self, work, values, unit="s", better="less", n=None, grows=False):
        values = {name: [float(f"{x:.6g}") for x in v] for name, v in values.items() if v}
        if not values:
            return
        record = {"subject": self.subject, "work": work, "unit": unit, "better": better, "n": n, "grows": grows,
                  "values": values}
        self.update(lambda data: data["records"].append(record))
        at = "" if n is None else f" [{n}]"
        print(f"{self.subject}: {work}{at}: " + ", ".join(
            f"{name} {show(statistics.median(v), unit)}" for name, v in values.items()), flush=True)

    def skip(self, text):
        text = f"{self.subject}: {text}"
        self.update(lambda data: data["skipped"].append(text))
        print(f"skipped: {text}", flush=True)

    def each(self, work, engines, measure, **how):
        """Once for each engine; measure(e) gives a list of values, one value or None."""
        values = {}
        for e in engines:
            try:
                got = measure(e)
            except (Failed, OSError, subprocess.SubprocessError) as fault:
                self.skip(f"{work}: {e.name}: {fault}")
                continue
            values[e.name] = got if isinstance(got, list) else [] if got is None else [got]
        self.add(work, values, **how)

    def turns(self, work, workers, rounds=ROUNDS, warm=1, least=LEAST, **how):
        """workers: {name: function that does the work once and returns what it measured}. In turns, each on a machine at
        rest; what disturbs it disturbs all alike. The warm-ups are not counted. Who fails is left out."""
        values = {name: [] for name in workers}
        begun = time.perf_counter()
        for i in range(warm + rounds):
            if i >= warm + least and time.perf_counter() - begun > SECONDS:
                break
            for name in shuffled(values):
                settle()
                try:
                    got = workers[name]()
                except (Failed, OSError, subprocess.SubprocessError) as fault:
                    self.skip(f"{work}: {name}: {fault}")
                    del values[name]
                    continue
                if i >= warm:
                    values[name].append(got)
        self.add(work, values, **how)

    def lives(self, engines, rounds=ROUNDS, **how):
        """The four commands of one container's life, each in turns: what one leaves is what the next one needs."""
        values = {title: {e.name: [] for e in engines} for title in LIFE}
        begun = time.perf_counter()
        for i in range(rounds + 1):
            if i > LEAST and time.perf_counter() - begun > 2 * SECONDS:
                break
            for title, command in LIFE.items():
                for e in shuffled(engines):
                    settle()
                    took = e.run(*command)
                    if i:
                        values[title][e.name].append(took)
        for title in LIFE:
            self.add(title, values[title], **how)


# KILL: a TERM would be lost that comes before the program is ready for it.
LIFE = {
    "create": ["create", "--name", "bench_life", "--stop-signal", "KILL", "busybox", "sleep", "1000"],
    "start": ["start", "bench_life"],
    "stop": ["stop", "bench_life"],
    "rm": ["rm", "bench_life"],
}


def load(path):
    with open(path) as f:
        return json.load(f)


def engines(specs):
    if not specs:
        sys.exit("no engine: called by bench/run")
    return [Engine(spec) for spec in specs]
