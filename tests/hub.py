"""A Hugging Face hub on this machine: real HTTP on a real port, with repositories in memory and faults on demand."""

import hashlib
import http.server
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it holds, by `models/owner/name` or `datasets/owner/name`, and what it was asked."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Repositories that answer with a status and an error code of the hub's."""
    breaks: dict[str, int] = field(default_factory=dict)
    """By the name of a file: how many answers of it are to break off at its middle."""
    down: bool = False
    """Whether connections are closed without an answer."""
    asked: list[str] = field(default_factory=list)

    def put(self, name: str, folder: Path) -> None:
        """Hold the files of a folder."""
        self.files[name] = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def asked_for(self, part: str) -> list[str]:
        """Requests with this in them."""
        return [line for line in self.asked if part in line]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub while the block runs."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield hub
        server.shutdown()


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

    def _answer(self, posted: object = None, *, body: bool = True) -> None:
        split = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(split.path)
        if path == "/switch" and isinstance(posted, dict):  # by a test, from another process
            vars(self.hub).update(posted)
            self._json({})
            return
        if self.hub.down:
            self.close_connection = True
            return
        self.hub.asked.append(
            f"{self.command} {self.path} {self.headers.get('Range') or ''} {json.dumps(posted) if posted else ''}".strip()
        )
        if api := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?", path):
            kind, name, action, revision, inside = api.groups()
            if self._refused(f"{kind}/{name}", revision):
                return
            self._json(self._described(f"{kind}/{name}", action, inside or "", posted, split.query))
        elif file := re.fullmatch(r"(/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            dataset, name, revision, inside = file.groups()
            place = f"{'datasets' if dataset else 'models'}/{name}"
            if not self._refused(place, revision):
                self._file(place, inside, body)
        else:
            self._error(404, "")

    def _refused(self, place: str, revision: str | None) -> bool:
        if place in self.hub.refused:
            self._error(*self.hub.refused[place])
        elif place not in self.hub.files:
            self._error(401, "RepoNotFound")  # so the hub answers the nameless: it could be private
        elif revision not in (None, "main", COMMIT):
            self._error(404, "RevisionNotFound")
        else:
            return False
        return True

    def _error(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code} if code else {})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _described(self, place: str, action: str | None, inside: str, posted: object, query: str) -> object:
        files = self.hub.files[place]
        listed = [{"type": "file", "path": name, "size": len(data), "oid": _mark(data)} for name, data in files.items()]
        folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
        listed += [{"type": "directory", "path": name, "size": 0, "oid": COMMIT} for name in sorted(folders)]
        if action == "tree":
            recursive = "recursive=true" in query.lower()
            return [
                one for one in listed
                if (not inside or str(one["path"]).startswith(f"{inside}/"))
                and (recursive or str(Path(str(one["path"])).parent) == (inside or "."))
            ]  # fmt: skip
        if action == "paths-info":
            wanted = posted.get("paths", []) if isinstance(posted, dict) else []
            return [one for one in listed if one["path"] in wanted]
        return {"id": place.partition("/")[2], "sha": COMMIT, "private": False, "gated": False, "tags": [], "downloads": 0, "likes": 0,
                "lastModified": "2026-01-01T00:00:00.000Z", "siblings": [{"rfilename": name} for name in files]}  # fmt: skip

    def _file(self, place: str, inside: str, body: bool) -> None:
        data = self.hub.files[place].get(inside)
        if data is None:
            self._error(404, "EntryNotFound")
            return
        first, last = 0, len(data) - 1
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(wanted[1]), min(last, int(wanted[2] or last))
        part = data[first : last + 1]
        self.send_response(206 if wanted else 200)
        headers = {"ETag": f'"{_mark(data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes", "Content-Length": str(len(part))}
        headers |= {"Content-Range": f"bytes {first}-{last}/{len(data)}"} if wanted else {}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if self.hub.breaks.get(inside, 0) > 0:
            self.hub.breaks[inside] -= 1
            self.wfile.write(part[: max(0, len(data) // 2 - first)])
            self.wfile.flush()
            time.sleep(0.05)
            self.close_connection = True
            return
        self.wfile.write(part)


def _mark(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
