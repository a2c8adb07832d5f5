from __future__ import annotations

import gzip
import io
import os
import resource
import shutil
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranparity.data import download
from ranparity.data.download import Archive
from ranparity.errors import InputError
from tests.data.archive_server import Member, Server, member, packed, serving

CONTENT = {"a.bin": b"alpha", "b.bin": b"beta" * 1000}
SIZES = {name: len(content) for name, content in CONTENT.items()}
GOOD = [member("small", kind=tarfile.DIRTYPE)] + [
    member(f"small/{name}", content) for name, content in CONTENT.items()
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that gives out a good archive until the test changes that."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as state:
        state.content = packed(*GOOD)
        yield state


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder with something in it that must outlast every failure."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "before").write_text("kept")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def failure(archive: Archive, cache: Path) -> str:
    """How a download fails, having changed nothing."""
    before = contents(cache.parent)
    with pytest.raises(InputError) as caught:
        download.fetch(archive, cache)
    assert contents(cache.parent) == before
    assert sorted(path.name for path in cache.iterdir()) == ["before"]
    return str(caught.value)


def test_the_files_are_downloaded_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        place = download.fetch(server.archive(SIZES), tmp_path / "new" / "cache")
        assert place == tmp_path / "new" / "cache" / "small"
        assert contents(tmp_path / "new") == {
            f"cache/small/{name}": content for name, content in CONTENT.items()
        }
    assert server.asked == ["/small.tar.gz"]


def test_what_is_in_the_cache_is_left_as_it_is(server: Server, cache: Path) -> None:
    (cache / "small").mkdir()
    (cache / "small" / "mine").write_text("here")
    download.fetch(server.archive(SIZES), cache)
    assert contents(cache) == {"before": b"kept", "small/mine": b"here"}
    assert server.asked == []


def test_files_of_no_concern_are_left_out(server: Server, cache: Path) -> None:
    others = [
        member("small/readme.html", b"text"),
        member("small/link", b"/etc/passwd", tarfile.SYMTYPE),
        member("../outside", b"bad"),
        member("/tmp/ranparity-outside", b"bad"),  # noqa: S108
        member("small/../a.bin", b"bad"),
        member("small/sub/a.bin", b"bad"),
        member("elsewhere/a.bin", b"bad"),
        member("a.bin", b"bad"),
    ]
    server.content = packed(*others, *GOOD, *others)
    download.fetch(server.archive(SIZES), cache)
    assert contents(cache.parent) == {
        "cache/before": b"kept",
        **{f"cache/small/{name}": content for name, content in CONTENT.items()},
    }


def test_names_may_begin_with_a_dot_and_a_slash(server: Server, cache: Path) -> None:
    server.content = packed(*(member(f"./small/{name}", CONTENT[name]) for name in CONTENT))
    assert set(contents(download.fetch(server.archive(SIZES), cache))) == set(CONTENT)


# What comes is not what was expected.


def test_another_digest_is_refused(server: Server, cache: Path) -> None:
    archive = server.archive(SIZES)
    changed = bytearray(server.content)
    changed[-1] ^= 1
    server.content = bytes(changed)
    found = server.archive(SIZES).sha256
    assert failure(archive, cache) == (
        f"{archive.url}: expected SHA-256 {archive.sha256}. Received: {found}; nothing was kept"
    )


def test_fewer_bytes_are_refused(server: Server, cache: Path) -> None:
    size = len(server.content)
    archive = server.archive(SIZES, size=size + 1000)
    assert failure(archive, cache) == (
        f"{archive.url}: expected {size + 1000:,} bytes. Received: {size}; nothing was kept"
    )


def test_more_bytes_are_refused_before_they_are_written(server: Server, cache: Path) -> None:
    archive = server.archive(SIZES)
    server.content += bytes(10_000_000)
    assert failure(archive, cache) == (
        f"{archive.url}: expected {archive.size} bytes. Received: more; nothing was kept"
    )


def test_what_is_no_gzip_is_refused(server: Server, cache: Path) -> None:
    server.content = b"<html>Sign in to the network</html>"
    archive = server.archive(SIZES)
    assert failure(archive, cache) == (
        f"{archive.url}: expected a tar file with gzip. Received: not a gzip file"
    )


def test_gzip_of_no_tar_file_is_refused(server: Server, cache: Path) -> None:
    server.content = gzip.compress(b"text" * 1000)
    archive = server.archive(SIZES)
    assert failure(archive, cache).startswith(
        f"{archive.url}: expected a tar file with gzip. Received: "
    )


@pytest.mark.parametrize("left", [1, 15, 100, 3000])
def test_an_archive_that_ends_early_is_refused(server: Server, left: int, cache: Path) -> None:
    noise = os.urandom(4000)  # which gzip cannot make shorter
    server.content = packed(*GOOD[:2], member("small/b.bin", noise))[:left]
    archive = server.archive(SIZES)
    assert failure(archive, cache).startswith(f"{archive.url}: expected a tar file with gzip. ")


def test_a_damaged_checksum_is_refused(server: Server, cache: Path) -> None:
    unended = gzip.decompress(server.content).rstrip(b"\0")  # so that it is read to its end
    compressed = bytearray(gzip.compress(unended + bytes(-len(unended) % 512)))
    compressed[-5] ^= 1
    server.content = bytes(compressed)
    archive = server.archive(SIZES)
    assert failure(archive, cache).startswith(
        f"{archive.url}: expected a tar file with gzip. Received: "
    )


@pytest.mark.parametrize(
    ("members", "name", "wrong"),
    [
        (
            [member("small/a.bin", b"/etc/passwd", tarfile.SYMTYPE), GOOD[2]],
            "small/a.bin",
            "expected a plain file, and it is a link or something else",
        ),
        (
            [GOOD[2], member("small/a.bin", b"small/b.bin", tarfile.LNKTYPE)],
            "small/a.bin",
            "expected a plain file, and it is a link or something else",
        ),
        (
            [member("small/a.bin", kind=tarfile.FIFOTYPE), GOOD[2]],
            "small/a.bin",
            "expected a plain file, and it is a link or something else",
        ),
        (
            [*GOOD, member("small/a.bin", b"ALPHA")],
            "small/a.bin",
            "expected once in the archive, and it is there twice",
        ),
        (
            [GOOD[1], member("small/b.bin", b"beta")],
            "small/b.bin",
            "expected 4,000 bytes. Received: 4",
        ),
    ],
)
def test_a_member_that_is_something_else_is_refused(
    server: Server, members: list[Member], name: str, wrong: str, cache: Path
) -> None:
    server.content = packed(*members)
    archive = server.archive(SIZES)
    assert failure(archive, cache) == f"{archive.url}: {name}: {wrong}"


def test_a_missing_member_is_named(server: Server, cache: Path) -> None:
    server.content = packed(GOOD[2])
    archive = server.archive(SIZES)
    assert failure(archive, cache) == (
        f"{archive.url}: expected small/a.bin in it, and there is none"
    )


# The network fails.

REMEDY = "try again, or give a folder that has the files: --data NAME:FOLDER"


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_server_that_refuses(server: Server, status: int, cache: Path) -> None:
    server.status = status
    archive = server.archive(SIZES)
    assert failure(archive, cache) == (
        f"{archive.url}: cannot be downloaded: the server answers with status {status}; {REMEDY}"
    )


def test_a_connection_that_breaks_off(server: Server, cache: Path) -> None:
    server.promised = len(server.content) + 10
    archive = server.archive(SIZES, size=server.promised)
    assert failure(archive, cache) == (
        f"{archive.url}: cannot be downloaded: the connection broke off; {REMEDY}"
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://ranparity.invalid"])
def test_no_network(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    archive = Archive(url, "0" * 64, 1, "small", SIZES)
    assert failure(archive, cache) == (
        f"{url}: cannot be downloaded: no connection to the server; {REMEDY}"
    )


def test_a_server_that_falls_silent(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_TIMEOUT", 0.1)
    silence = threading.Event()
    server.before = lambda: silence.wait(5)
    archive = server.archive(SIZES)
    assert failure(archive, cache) == (
        f"{archive.url}: cannot be downloaded: no answer within 0.1 seconds; {REMEDY}"
    )
    silence.set()


# The disk fails.


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow over 100,000 bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


CANNOT = "make room there, or name another folder with RANPARITY_DATA"


@pytest.mark.parametrize("content", [os.urandom(200_000), bytes(200_000)], ids=["packed", "not"])
@pytest.mark.usefixtures("small_files")
def test_no_room_for_the_archive_or_for_its_files(
    server: Server, content: bytes, cache: Path
) -> None:
    server.content = packed(member("small/a.bin", content))
    archive = server.archive({"a.bin": len(content)})
    assert failure(archive, cache) == f"{cache}: cannot be written: File too large; {CANNOT}"


def test_a_file_in_the_place_of_the_cache(server: Server, cache: Path) -> None:
    place = cache / "before" / "below"
    with pytest.raises(InputError) as caught:
        download.fetch(server.archive(SIZES), place)
    assert str(caught.value) == f"{place}: cannot be written: Not a directory; {CANNOT}"
    assert server.asked == []


@pytest.fixture
def nobody(cache: Path) -> Iterator[None]:
    """Be someone who may not write to the cache: permissions do not stop root."""
    cache.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)
    cache.chmod(0o755)


@pytest.mark.usefixtures("nobody")
def test_no_permission(cache: Path) -> None:
    archive = Archive("http://127.0.0.1:9", "0" * 64, 1, "small", SIZES)
    with pytest.raises(InputError) as caught:
        download.fetch(archive, cache)
    assert str(caught.value) == f"{cache}: cannot be written: Permission denied; {CANNOT}"


# Others at work, and the end at any moment.


def test_whoever_is_first_wins(server: Server, cache: Path) -> None:
    def other() -> None:
        (cache / "small").mkdir()
        (cache / "small" / "theirs").write_text("here")

    server.before = other
    assert download.fetch(server.archive(SIZES), cache) == cache / "small"
    assert contents(cache) == {"before": b"kept", "small/theirs": b"here"}


def test_many_at_once_do_not_harm_one_another(server: Server, cache: Path) -> None:
    together = threading.Barrier(4)
    server.before = lambda: together.wait(30)
    archive, done = server.archive(SIZES), []
    threads = [
        threading.Thread(target=lambda: done.append(download.fetch(archive, cache)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [cache / "small"] * 4
    assert contents(cache / "small") == CONTENT
    assert sorted(path.name for path in cache.iterdir()) == ["before", "small"]


@pytest.mark.parametrize("place", ["write", "unpack", "rename"])
def test_an_interruption_leaves_nothing(
    server: Server, place: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    owner, name = {
        "write": (download._Received, "write"),
        "unpack": (shutil, "copyfileobj"),
        "rename": (Path, "rename"),
    }[place]
    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        download.fetch(server.archive(SIZES), cache)
    assert [path.name for path in cache.iterdir()] == ["before"]


# What the user sees.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "bars"), [(Terminal(), True), (io.StringIO(), False)])
def test_progress_is_shown_on_request(
    server: Server, stream: io.StringIO, bars: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = server.archive(SIZES)
    monkeypatch.setattr(sys, "stderr", stream)
    download.fetch(archive, cache, show=True)
    said = f"downloading {archive.url} (0 MB) into {cache / 'small'}\n"
    assert stream.getvalue().startswith(said)
    assert ("small: " in stream.getvalue().removeprefix(said)) is bars


def test_nothing_is_shown_unasked(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    download.fetch(server.archive(SIZES), cache)
    assert stream.getvalue() == ""


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RANPARITY_DATA", "~/here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert download.default_cache() == tmp_path / "here"
    for unset in ("", None):
        monkeypatch.setenv("RANPARITY_DATA", unset) if unset is not None else monkeypatch.delenv(
            "RANPARITY_DATA"
        )
        assert download.default_cache().name == "ranparity"
