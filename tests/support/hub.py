"""A stand-in for the Hugging Face Hub's HTTP, on loopback: what its client asks of it here."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Repositories by name, files by path.

    Attributes:
        endpoint: where it is.
        repositories: that it has.
        private: names of those made so.
        asked: method and path of all requests.
    """

    endpoint: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def commit(self, name: str) -> str:
        """What stands for the state of a repository."""
        return sha1(repr(sorted(self.repositories[name].items())).encode()).hexdigest()


def _answer(hub: Hub, method: str, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
    if (method, path) == ("POST", "/api/repos/create"):
        asked = json.loads(body)
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        hub.repositories.setdefault(name, {})
        if asked.get("visibility") == "private" or asked.get("private"):
            hub.private.add(name)
        return 200, {"url": f"{hub.endpoint}/{name}"}, {}
    match = re.fullmatch(r"(?:/api/models)?/([\w.-]+/[\w.-]+)/(\w+)/([\w.-]+)(?:/(.+))?", path)
    if match is None or match[1] not in hub.repositories:
        return 404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"}
    name, what, _, file = match.groups()
    files, commit = hub.repositories[name], hub.commit(match[1])
    if what == "revision":
        return 200, {"id": name, "sha": commit, "siblings": []}, {}
    if what == "tree":
        listed = [
            {"type": "file", "path": own, "size": len(content), "oid": sha1(content).hexdigest()}
            for own, content in files.items()
        ]
        return 200, listed, {}
    if what == "resolve" and file in files:
        tag = f'"{sha1(files[file]).hexdigest()}"'
        return 200, files[file], {"ETag": tag, "X-Repo-Commit": commit}
    if what == "preupload":
        asked = [own["path"] for own in json.loads(body)["files"]]
        modes = [{"path": own, "uploadMode": "regular", "shouldIgnore": False} for own in asked]
        return 200, {"files": modes}, {}
    if what == "commit":
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        oid = hub.commit(name)
        return 200, {"commitUrl": f"{hub.endpoint}/{name}/commit/{oid}", "commitOid": oid}, {}
    return 404, {"error": "not found"}, {"X-Error-Code": "EntryNotFound"}


@contextmanager
def hub_on_loopback() -> Iterator[Hub]:
    """A hub without repositories, while the block runs."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            method = "GET" if self.command == "HEAD" else self.command
            code, content, headers = _answer(hub, method, path, body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = _respond

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
