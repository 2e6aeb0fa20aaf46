#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fault_registry - an image registry that misbehaves.

usage: fault_registry.py DIR LAYOUT

Serves the one image of the OCI layout LAYOUT on a free loopback port under any name; the first part of the name
chooses the fault: HOST:PORT/truncated/busybox. It writes DIR/host when it listens and a line a request to DIR/log:

    METHOD PATH STATUS auth=no|basic|bearer range=-|FIRST

Faults that concern blobs concern layers (or, named config-..., the configuration).
"""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import socketserver
import sys
import threading
import time
import urllib.parse

MiB = 1 << 20
USER = "Basic " + base64.b64encode(b"user:secret").decode()


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image:
    def __init__(self, layout):
        layout = pathlib.Path(layout)
        self.blobs = {"sha256:" + p.name: p.read_bytes() for p in (layout / "blobs/sha256").iterdir()}
        entry = json.loads((layout / "index.json").read_text())["manifests"][0]
        self.manifest = self.blobs[entry["digest"]]
        parsed = json.loads(self.manifest)
        self.config = parsed["config"]["digest"]
        self.layers = [layer["digest"] for layer in parsed["layers"]]
        self.media = parsed.get("mediaType", "application/vnd.oci.image.manifest.v1+json")

    def altered(self, change):
        """The manifest after change(dict)."""
        parsed = json.loads(self.manifest)
        change(parsed)
        return json.dumps(parsed).encode()


class State:
    lock = threading.Lock()
    counts = {}
    uploads = {}
    pushed = {}

    @classmethod
    def nth(cls, key):
        """How often this was asked for, this time included."""
        with cls.lock:
            cls.counts[key] = cls.counts.get(key, 0) + 1
            return cls.counts[key]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fault"

    def log_message(self, *args):
        pass

    def log_request(self, code="-", size="-"):
        if not hasattr(self, "headers"):
            return  # not HTTP: somebody tries TLS
        auth = (self.headers.get("Authorization") or "no").split()[0].lower()
        first = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        with State.lock, open(DIR / "log", "a") as log:
            log.write("%s %s %s auth=%s range=%s\n" % (
                self.command, self.path, int(code), auth, first.group(1) if first else "-"))

    def answer(self, status, body=b"", media="application/json", headers=(), length=None):
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status, code, message, headers=()):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(status, body, headers=headers)

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)

    def endless(self, media, piece):
        """Until the client has had enough."""
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
        while True:
            self.wfile.write(chunk)

    # routes

    def do_GET(self):
        try:
            self.route()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def route(self):
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/v2/":
            # as a rule clients ask here what credentials are wanted
            return self.answer(200, b"{}") if self.bearer() else self.challenge()
        if url.path == "/token":
            return self.token(" ".join(urllib.parse.parse_qs(url.query).get("scope", [])))
        if url.path.startswith("/elsewhere/"):
            return self.answer(200, IMAGE.blobs[url.path.split("/")[2]], "application/octet-stream")
        if url.path.startswith("/v1/"):
            return self.search(url.path, query)
        m = re.match(r"/v2/(([^/]+)(?:/.+)?)/(manifests|blobs|tags)/(.+)$", url.path)
        if not m:
            return self.fail(404, "NOT_FOUND", "no such page")
        name, fault, kind, what = m.groups()
        if fault.startswith("token") and not self.allowed(name, fault):
            return None
        if what.startswith("uploads/") or (kind == "manifests" and self.command == "PUT"):
            return self.push(name, fault, kind, what, query)
        if fault == "denied":
            return self.fail(403, "DENIED", "requested access to the resource is denied")
        if fault == "hostile":
            return self.fail(403, "DENIED", "\x1b[2J\x1b]0;owned\x07\x9bgone\u202e")
        if kind == "tags":
            return self.answer(200, json.dumps({"name": name, "tags": ["latest", "other"]}).encode())
        if kind == "manifests":
            return self.manifest(name, fault, what)
        return self.blob(name, fault, what)

    def search(self, path, query):
        if path.endswith("_ping"):
            return self.answer(200, b"{}")
        results = [{"name": "busybox", "description": "Small\ntools \x1b[31min one file, with a text that is long",
                    "star_count": 7, "is_official": True, "is_automated": False},
                   {"name": "user/box", "description": "", "star_count": 1,
                    "is_official": False, "is_automated": False}]
        results = [r for r in results if query.get("q", "") in r["name"]][:int(query.get("n", 25))]
        body = {"num_results": len(results), "query": query.get("q"), "results": results}
        return self.answer(200, json.dumps(body).encode())

    # tokens

    def token(self, scope):
        if "token-private" in scope and self.headers.get("Authorization") != USER:
            return self.fail(401, "UNAUTHORIZED", "incorrect username or password")
        body = {"token": "T:" + scope, "expires_in": 60}
        if "token-named" in scope:
            body = {"access_token": "T:" + scope}
        return self.answer(200, json.dumps(body).encode())

    def allowed(self, name, fault):
        if name in self.bearer():
            # one that ends while it is used has to be renewed
            if fault != "token-expires" or State.nth("expires" + name) != 3:
                return True
        action = "pull" if self.command in ("GET", "HEAD") else "pull,push"
        self.challenge(',scope="repository:%s:%s"' % (name, action))
        return False

    def bearer(self):
        given = self.headers.get("Authorization") or ""
        return given if given.startswith("Bearer T:") else ""

    def challenge(self, scope=""):
        challenge = 'Bearer realm="http://%s/token",service="fault"%s' % (HOST, scope)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.fail(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", challenge)])

    # manifests

    def manifest(self, name, fault, what):
        body, media = State.pushed.get((name, what), (IMAGE.manifest, IMAGE.media))
        if fault == "endless-manifest":
            return self.endless(media, b" " * 65536)
        if fault == "huge-manifest":
            self.answer(200, body, media, length=1 << 40)
            return self.hang_up()
        if fault == "bad-manifest":
            return self.answer(200, b'{"schemaVersion": 2, "layers": [', media)
        if fault == "no-config":
            body = json.dumps({"schemaVersion": 2, "mediaType": media, "layers": []}).encode()
        if fault == "html":
            return self.answer(200, b"<html>Welcome to the hotel's network</html>", "text/html")
        if fault == "bad-digest-name":
            body = IMAGE.altered(lambda m: m["layers"][0].update(digest="sha256:../../../etc/passwd"))
        if fault == "wrong-size":
            body = IMAGE.altered(lambda m: m["layers"][0].update(size=m["layers"][0]["size"] + 1))
        if fault == "negative-size":
            body = IMAGE.altered(lambda m: m["layers"][0].update(size=-1))
        if fault == "too-few-layers":
            body = IMAGE.altered(lambda m: m["layers"].pop())
        digest = sha(body)
        if fault == "other-manifest":
            digest = sha(b"something else")
        if fault == "manifest-500" and State.nth(name + what) <= 2:
            return self.fail(500, "UNKNOWN", "try again")
        if fault == "missing" or (what.startswith("sha256:") and what != digest):
            return self.fail(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return self.answer(200, body, media, [("Docker-Content-Digest", digest)])

    # blobs

    def blob(self, name, fault, digest):
        if (name, digest) in State.pushed:
            return self.answer(200, State.pushed[name, digest][0], "application/octet-stream")
        if digest not in IMAGE.blobs or name.startswith("push"):
            return self.fail(404, "BLOB_UNKNOWN", "blob unknown to registry")
        body = IMAGE.blobs[digest]
        if fault.startswith("config-"):
            wanted, fault = digest == IMAGE.config, fault[len("config-"):]
        else:
            wanted = digest in IMAGE.layers
        handler = getattr(self, "fault_" + fault.replace("-", "_"), None)
        if wanted and handler and self.command == "GET":
            return handler(body, State.nth(name + digest), digest)
        return self.plain(body)

    def first_byte(self, body):
        m = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return min(int(m.group(1)), len(body)) if m else 0

    def plain(self, body):
        at = self.first_byte(body)
        if not at:
            return self.answer(200, body, "application/octet-stream", [("Accept-Ranges", "bytes")])
        span = "bytes %d-%d/%d" % (at, len(body) - 1, len(body))
        return self.answer(206, body[at:], "application/octet-stream", [("Content-Range", span)])

    def fault_wrong_bytes(self, body, nth, digest):
        middle = len(body) // 2
        self.plain(body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:])

    def fault_wrong_bytes_once(self, body, nth, digest):
        if nth > 1:
            return self.plain(body)
        return self.fault_wrong_bytes(body, nth, digest)

    def fault_short(self, body, nth, digest):
        self.plain(body[:len(body) // 2])

    def fault_long(self, body, nth, digest):
        self.plain(body + b"\0" * 100000)

    def fault_empty(self, body, nth, digest):
        self.answer(200, b"")

    def cut(self, body, at, end):
        status, headers = 200, []
        if at:
            status, headers = 206, [("Content-Range", "bytes %d-%d/%d" % (at, len(body) - 1, len(body)))]
        self.answer(status, body[at:end], "application/octet-stream", headers, len(body) - at)
        self.hang_up()

    def fault_truncated(self, body, nth, digest):
        """A third of what is left at a time, then all of it."""
        at = self.first_byte(body)
        if nth > 3:
            return self.plain(body)
        return self.cut(body, at, at + (len(body) - at) // 3)

    def fault_no_range(self, body, nth, digest):
        """Breaks off, and starts from the beginning whatever is asked for."""
        if nth <= 2:
            return self.cut(body, 0, len(body) // 2)
        return self.answer(200, body, "application/octet-stream")

    def fault_wrong_range(self, body, nth, digest):
        """Claims to continue where it was asked to, but sends other bytes."""
        at = self.first_byte(body)
        if not at:
            return self.cut(body, 0, len(body) // 2)
        span = "bytes %d-%d/%d" % (at, len(body) - 1, len(body))
        return self.answer(206, body[:len(body) - at], "application/octet-stream", [("Content-Range", span)])

    def fault_always_truncated(self, body, nth, digest):
        self.cut(body, 0, 10)

    def fault_busy(self, body, nth, digest):
        if nth <= 2:
            return self.fail(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "1")])
        return self.plain(body)

    def fault_always_busy(self, body, nth, digest):
        self.fail(429, "TOOMANYREQUESTS", "You have reached your pull rate limit", [("Retry-After", "1")])

    def fault_broken(self, body, nth, digest):
        if nth <= 2:
            return self.fail(500 + 3 * (nth - 1), "UNKNOWN", "try again")
        return self.plain(body)

    def fault_always_broken(self, body, nth, digest):
        self.fail(500, "UNKNOWN", "never again")

    def fault_endless(self, body, nth, digest):
        self.endless("application/octet-stream", body[:65536] or b"\0" * 65536)

    def fault_slow(self, body, nth, digest):
        self.answer(200, b"", "application/octet-stream", length=len(body))
        for at in range(0, len(body), len(body) // 20 + 1):
            self.wfile.write(body[at:at + len(body) // 20 + 1])
            self.wfile.flush()
            time.sleep(0.1)

    def fault_stuck(self, body, nth, digest):
        """Half of it, and then nothing."""
        self.answer(200, body[:len(body) // 2], "application/octet-stream", length=len(body))
        self.wfile.flush()
        time.sleep(600)

    def fault_redirect(self, body, nth, digest):
        # by another name: another host as far as credentials are concerned
        self.answer(307, headers=[("Location", "http://localhost:%s/elsewhere/%s" % (HOST.split(":")[1], digest))])

    fault_token_redirect = fault_redirect

    def fault_redirect_relative(self, body, nth, digest):
        self.answer(302, headers=[("Location", "/elsewhere/%s" % digest)])

    def fault_redirect_loop(self, body, nth, digest):
        self.answer(307, headers=[("Location", self.path)])

    def fault_redirect_file(self, body, nth, digest):
        self.answer(307, headers=[("Location", "file:///etc/passwd")])

    # pushes

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def push(self, name, fault, kind, what, query):
        if self.headers.get("Expect", "").lower() == "100-continue":
            pass  # http.server has answered
        body = self.read_body()
        if fault == "push-denied":
            return self.fail(403, "DENIED", "requested access to the resource is denied")
        if fault == "push-broken" and State.nth(self.command + name) == 1:
            return self.fail(500, "UNKNOWN", "try again")
        if fault == "push-always-broken":
            return self.fail(500, "UNKNOWN", "never again")
        if kind == "manifests":
            digest = sha(body)
            for key in (what, digest):
                State.pushed[name, key] = (body, self.headers.get("Content-Type"))
            return self.answer(201, headers=[("Docker-Content-Digest", digest)])
        if self.command == "POST":
            return self.start_upload(name, body, query)
        upload = what.split("/")[1]
        State.uploads[upload] = State.uploads.get(upload, b"") + body
        got = len(State.uploads[upload])
        if self.command == "PATCH":
            return self.answer(202, headers=[("Location", self.path), ("Range", "0-%d" % (got - 1))])
        digest = query.get("digest")
        if sha(State.uploads[upload]) != digest or fault == "push-digest":
            return self.fail(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        State.pushed[name, digest] = (State.uploads.pop(upload), None)
        return self.answer(201, headers=[("Docker-Content-Digest", digest)])

    def start_upload(self, name, body, query):
        digest = query.get("digest")
        if digest and sha(body) == digest:
            State.pushed[name, digest] = (body, None)
            return self.answer(201, headers=[("Docker-Content-Digest", digest)])
        upload = "u%d" % State.nth("uploads")
        location = "http://%s/v2/%s/blobs/uploads/%s?state=a%%2Fb" % (HOST, name, upload)
        return self.answer(202, headers=[("Location", location), ("Range", "0-0"), ("Docker-Upload-UUID", upload)])


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


DIR = pathlib.Path(sys.argv[1])
IMAGE = Image(sys.argv[2])
with Server(("127.0.0.1", 0), Handler) as server:
    HOST = "127.0.0.1:%d" % server.server_address[1]
    (DIR / "host.tmp").write_text(HOST)
    os.rename(DIR / "host.tmp", DIR / "host")
    server.serve_forever()
