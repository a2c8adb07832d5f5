"""Archives made for the tests, and a server on this machine that gives them out."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ranparity.data.download import Archive

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Member:
    """A member of an archive; if it is a link, `content` is what it leads to."""
    info = tarfile.TarInfo(name)
    info.type = kind
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname, content = content.decode(), b""
    info.size = len(content)
    return info, content


def packed(*members: Member) -> bytes:
    """A tar file with gzip."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@dataclass
class Server:
    """What the server gives out, and what it was asked for.

    Attributes:
        url: Its address.
        content: What it sends.
        status: With which status.
        promised: The length that it says, if another than the content's.
        before: Called before it answers.
        asked: How often it was asked.
    """

    url: str = ""
    content: bytes = b""
    status: int = 200
    promised: int | None = None
    before: Callable[[], object] = lambda: None
    asked: list[str] = field(default_factory=list)

    def archive(self, members: Mapping[str, int], **changes: str | int) -> Archive:
        """What the server gives out now, described truly except for the changes."""
        described = {
            "url": f"{self.url}/small.tar.gz",
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "size": len(self.content),
            "folder": "small",
        }
        return Archive(members=members, **(described | changes))  # type: ignore[arg-type]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Serve until the block ends."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            state.before()
            self.send_response(state.status)
            promised = len(state.content) if state.promised is None else state.promised
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who asked may have hung up
                self.wfile.write(state.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
