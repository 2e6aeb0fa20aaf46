# SPDX-License-Identifier: MIT
"""checker.py - looks at the machine itself, not at what the daemon says of it.

Machine() is what belongs to one engine: processes, cgroups, mounts, interfaces, firewall elements, directories and
rows. compare() says what of it has no owner and what a container lacks. The clients must be at rest meanwhile; what
the engine clears away behind the user's back is given time by asking again (settle).
"""
import json
import os
import re
import sqlite3
import subprocess
import time

POOL_LINKS = 8  # pairs that the engine keeps ready
NO_ID = "-" * 64


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


def listdir(path):
    try:
        return set(os.listdir(path))
    except (FileNotFoundError, ProcessLookupError):
        return set()


def alive(pid):
    stat = read(f"/proc/{pid}/stat")
    return bool(stat) and stat.rsplit(")", 1)[1].split()[0] not in "ZX"


class Machine:
    def __init__(self, engine):
        self.engine = engine
        self.shims, self.waiting = {}, set()  # container -> pids; the pool's
        self.daemons = set()
        self.look_at_processes()
        self.cgroups = self.look_at_cgroups()
        self.mounts = [line.split()[4] for line in read("/proc/self/mountinfo").splitlines()
                       if line.split()[4].startswith(engine.dir + "/")]
        self.links = self.look_at_links()
        self.ports = self.look_at_firewall()
        self.rows = self.look_at_rows()
        self.dirs = {name: listdir(f"{engine.data}/{name}") for name in ("containers", "layers", "tmp", "volumes")}
        self.run_dirs = listdir(engine.run + "/containers")

    def look_at_processes(self):
        # By inode: a shim runs from a mount that is nowhere.
        shim = os.stat(self.engine.build + "/src/shim/dhow-shim")
        daemon = os.path.realpath(self.engine.build + "/src/daemon/dhowd")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
                program = os.stat(f"/proc/{pid}/exe")
            except OSError:
                continue
            if exe == daemon and self.engine.dir in read(f"/proc/{pid}/cmdline"):
                self.daemons.add(int(pid))
            if not os.path.samestat(program, shim) or not self.holds_files(pid):
                continue
            words = read(f"/proc/{pid}/cmdline").split("\0")
            name = words[1] if len(words) > 1 else ""
            if name == NO_ID:
                self.waiting.add(int(pid))
            else:
                self.shims.setdefault(name, set()).add(int(pid))

    def holds_files(self, pid):
        """A shim's environment is gone when it has made itself small; its error output is our engine's log."""
        for fd in listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(self.engine.dir + "/"):
                    return True
            except OSError:
                continue
        return False

    def look_at_cgroups(self):
        """Container ID -> pids, over all hierarchies."""
        found, root = {}, "/sys/fs/cgroup"
        parents = [f"{root}{self.engine.parent}"] + \
            [f"{root}/{h}{self.engine.parent}" for h in listdir(root) if os.path.isdir(f"{root}/{h}")]
        for parent in parents:
            for name in listdir(parent) if os.path.isdir(parent) else ():
                if os.path.isdir(f"{parent}/{name}"):
                    found.setdefault(name, set()).update(
                        map(int, read(f"{parent}/{name}/cgroup.procs").split()))
        return found

    def look_at_links(self):
        out = subprocess.run(["ip", "-o", "link", "show", "master", self.engine.bridge], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False).stdout.decode()
        return [line.split(": ")[1] for line in out.splitlines()]

    def look_at_firewall(self):
        table = self.engine.bridge
        out = subprocess.run(["nft", "-j", "list", "table", "inet", table], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False).stdout
        ports = []
        for entry in json.loads(out or b'{"nftables": []}')["nftables"]:
            for element in entry.get("map", {}).get("elem", []):
                ports.append((element[0]["concat"][-1], element[1]["concat"][0]))
        return ports

    def look_at_rows(self):
        db = sqlite3.connect(f"file:{self.engine.db}?mode=ro", uri=True, timeout=20)
        try:
            def ask(sql):
                return db.execute(sql).fetchall()
            verdict = ask("PRAGMA quick_check")
            if verdict != [("ok",)]:
                raise AssertionError(f"state.db: {verdict}")
            return {
                "containers": {i: (n, json.loads(c), json.loads(s))
                               for i, n, c, s in ask("SELECT id, name, config, state FROM containers")},
                "layers": {c.split(":")[1]: p for c, p in ask("SELECT chain_id, parent FROM layers")},
                "images": {i for (i,) in ask("SELECT id FROM images")},
                "tags": dict(ask("SELECT name, image FROM image_tags")),
                "volumes": {n for (n,) in ask("SELECT name FROM volumes")},
            }
        finally:
            db.close()


def diagnose(engine, why):
    """Where the engine's processes are in the kernel: for what hangs."""
    m = Machine(engine)
    print(f"{why}:", flush=True)
    ours = m.daemons | m.waiting | set().union(*m.shims.values(), *m.cgroups.values(), ())
    for pid in sorted(ours):
        for task in sorted(listdir(f"/proc/{pid}/task")):
            stack = " < ".join(line.split()[-1].split("+")[0] for line in
                               read(f"/proc/{pid}/task/{task}/stack").splitlines()[:7])
            state = read(f"/proc/{pid}/task/{task}/stat").rpartition(")")[2].split()[:1]
            name = read(f"/proc/{pid}/cmdline").replace("\0", " ")[:90]
            if "".join(state) not in "ST" or pid in m.daemons or any(pid in p for p in m.shims.values()):
                print(f"  {pid}/{task} {''.join(state)} {name}: {stack}", flush=True)


def each_container(m, known, bad):
    """One container's row, process, cgroup, shim and directories against each other."""
    addresses = {}
    for cid, c in known.items():
        short, state = cid[:12], c["State"]
        row = m.rows["containers"].get(cid)
        if not row:
            bad.append(f"{short}: no row")
            continue
        if row[0] != c["Name"].lstrip("/"):
            bad.append(f"{short}: its row is named {row[0]}, inspect says {c['Name']}")
        if row[2]["Status"] != state["Status"]:
            bad.append(f"{short}: its row says {row[2]['Status']}, inspect says {state['Status']}")
        if cid not in m.dirs["containers"]:
            bad.append(f"{short}: no directory")
        running = state["Status"] in ("running", "paused")
        if running != (cid in m.cgroups):
            bad.append(f"{short}: {state['Status']}, its cgroup is {'there' if cid in m.cgroups else 'missing'}")
        if running != (cid in m.shims) or len(m.shims.get(cid, ())) > 1:
            bad.append(f"{short}: {state['Status']}, shims {m.shims.get(cid)}")
        if running != (cid in m.run_dirs):
            bad.append(f"{short}: {state['Status']}, run directory {'there' if cid in m.run_dirs else 'missing'}")
        if running:
            if not alive(state["Pid"]) or state["Pid"] not in m.cgroups.get(cid, ()):
                bad.append(f"{short}: running, but process {state['Pid']} is not")
            frozen = is_frozen(m.engine, cid)
            if frozen is not None and frozen != (state["Status"] == "paused"):
                bad.append(f"{short}: {state['Status']}, but its cgroup is {'' if frozen else 'not '}frozen")
            address = c["NetworkSettings"]["IPAddress"]
            if address and addresses.setdefault(address, short) != short:
                bad.append(f"{short}: address {address} is {addresses[address]}'s, too")
            if address and address not in inner_addresses(state["Pid"]):
                bad.append(f"{short}: does not have its address {address}")
    return addresses


def is_frozen(engine, cid):
    v1 = f"/sys/fs/cgroup/freezer{engine.parent}/{cid}/freezer.state"
    if os.path.exists(v1):
        return read(v1).strip() != "THAWED"
    v2 = f"/sys/fs/cgroup{engine.parent}/{cid}/cgroup.freeze"
    return read(v2).strip() == "1" if os.path.exists(v2) else None


def inner_addresses(pid):
    return re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", read(f"/proc/{pid}/net/fib_trie"))


def compare(m):
    bad = []
    known = {c["Id"]: m.engine.inspect(c["Id"]) for c in m.engine.containers()}
    known = {i: c for i, c in known.items() if c}
    each_container(m, known, bad)
    running = {i for i, c in known.items() if c["State"]["Status"] in ("running", "paused")}

    def nobody(what, names):
        for name in sorted(names):
            bad.append(f"{what} {name} belongs to nobody")
    nobody("row", set(m.rows["containers"]) - set(known))
    nobody("cgroup", set(m.cgroups) - running)
    nobody("shim of", set(m.shims) - running)
    nobody("run directory", m.run_dirs - running)
    nobody("directory", m.dirs["containers"] - set(known))
    nobody("tmp/", m.dirs["tmp"])
    nobody("mount", m.mounts)
    nobody("volume directory", m.dirs["volumes"] - m.rows["volumes"])
    nobody("volume", m.rows["volumes"])
    nobody("layer directory", m.dirs["layers"] - set(m.rows["layers"]))
    nobody("layer row", set(m.rows["layers"]) - m.dirs["layers"])
    if len(m.daemons) != 1:
        bad.append(f"daemons: {m.daemons}")
    if len(m.waiting) > 4:
        bad.append(f"{len(m.waiting)} shims wait")
    bridged = [c for i, c in known.items() if i in running and c["NetworkSettings"]["IPAddress"]]
    if not len(bridged) <= len(m.links) <= len(bridged) + POOL_LINKS:
        bad.append(f"{len(m.links)} interfaces for {len(bridged)} containers: {m.links}")
    published = [(int(p["HostPort"]), c["NetworkSettings"]["IPAddress"]) for c in bridged
                 for b in (c["NetworkSettings"]["Ports"] or {}).values() for p in b or ()]
    if sorted(published) != sorted(m.ports):
        bad.append(f"published {sorted(published)}, in the firewall {sorted(m.ports)}")
    names = [c["Name"] for c in known.values()]
    if len(set(names)) != len(names):
        bad.append(f"names are not unique: {names}")
    for tag, image in m.rows["tags"].items():
        if image not in m.rows["images"]:
            bad.append(f"tag {tag} has no image")
    for layer, parent in m.rows["layers"].items():
        if parent and parent.split(":")[1] not in m.rows["layers"]:
            bad.append(f"layer {layer} has no parent")
    check = m.engine.api.call("GET", "/dhow/check").json
    bad += [f"dhow system check: {p['Text']}" for p in check["Problems"]]
    return known, bad


def settle(engine, seconds=60):
    """Until all is in order; what is still wrong after that time is wrong."""
    end = time.monotonic() + seconds
    while True:
        known, bad = compare(Machine(engine))
        if not bad or time.monotonic() > end:
            return known, bad
        time.sleep(0.1)


# ---- what containers wrote ----

def parse_runs(lines):
    """["1 1", "1 2", "2 1"] -> {1: 2, 2: 1}, or the place where the counting is broken."""
    runs, last = {}, (0, 0)
    for line in lines:
        try:
            run, number = map(int, line.split())
        except ValueError:
            return runs, f"not a line: {line!r}"
        if not ((run == last[0] and number == last[1] + 1) or (run > last[0] and number == 1)):
            return runs, f"{line!r} after '{last[0]} {last[1]}'"
        runs[run], last = number, (run, number)
    return runs, None


def log_lines(path):
    """The log as it is on disk; the last line may be in the middle of being written."""
    files = sorted((p for p in os.listdir(os.path.dirname(path)) if p.startswith(os.path.basename(path))),
                   key=lambda p: -int(p.rsplit(".", 1)[1]) if p.rsplit(".", 1)[1].isdigit() else 1)
    text = "".join(read(os.path.join(os.path.dirname(path), f)) for f in files)
    out = ""
    for line in text.split("\n"):
        try:
            out += json.loads(line)["log"] if line else ""
        except ValueError:
            break
    return out.splitlines()


def compare_log(box, inspect, seconds=60):
    """Says what is wrong between the file that the container wrote and its log; None when nothing is."""
    wrote, wrong = parse_runs(read(box.dir + "/out").splitlines())
    if wrong:
        return f"its file: {wrong}"
    path, end = inspect["LogPath"], time.monotonic() + seconds
    while True:
        logged, wrong = parse_runs(log_lines(path)) if os.path.exists(path) else ({}, None)
        if wrong:
            return f"its log: {wrong}"
        short = [f"run {run}: {n} lines, {logged.get(run, 0)} in the log" for run, n in wrote.items()
                 if logged.get(run, 0) < n - (not box.log_drains or box.killed_runs_may_lack)]
        if not short or box.lossy:
            return None
        # With --rm it may be gone by now: who asks looks whether it is.
        if time.monotonic() > end or (box.rm and not os.path.exists(os.path.dirname(path))):
            return "; ".join(short)
        time.sleep(0.05)
