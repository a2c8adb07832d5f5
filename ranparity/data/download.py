"""Downloads an archive once, checks it, and unpacks what is expected of it.

The transfer itself is that of requests, which knows redirects, proxies and certificates and tells
connections that break off from those that end. The bytes are counted and digested as they come, so
that no more is written than was promised.

Nothing is used before it is proven: the archive has its known size and SHA-256, or nothing of it is
read. Only files that are expected by name are read from it, and they are written under names of
ours, so that no link and no path in an archive leads anywhere. All is done in a folder of this
process alone, which is renamed whole: two processes that download the same do not meet, and a
process that is stopped leaves nothing that could be taken for data.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Self

from ranparity.errors import InputError
from ranparity.files import PARTIAL

if TYPE_CHECKING:
    from requests import RequestException

CACHE_VARIABLE: Final = "RANPARITY_DATA"  # the environment's word on where the cache is
_TIMEOUT: Final = 30  # seconds without a byte, after which a server is given up
_CHUNK: Final = 1 << 18  # bytes


@dataclass(frozen=True)
class Archive:
    """A tar file compressed with gzip, somewhere else.

    Attributes:
        url: Where.
        sha256: Its digest.
        size: Its bytes.
        folder: The folder in it that has the files, and the name of ours in the cache.
        members: The bytes of each file that is wanted, by name.
    """

    url: str
    sha256: str
    size: int
    folder: str
    members: Mapping[str, int]


def default_cache() -> Path:
    """Give the folder for downloads: what `RANPARITY_DATA` says, or the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen))  # noqa: PTH111  # Path's raises without a home
    return user_cache_path("ranparity")


def fetch(archive: Archive, cache: Path, *, show: bool = False) -> Path:
    """Give the folder with an archive's files, downloaded if it is not there yet.

    Whoever reads the files checks them: what lies in the cache can have been changed since.

    Args:
        archive: What.
        cache: Where the folder is or will be.
        show: Say what is downloaded on stderr, with a bar if that is a terminal.

    Raises:
        InputError: It cannot be downloaded, is not what was expected, or cannot be written.
    """
    place = cache / archive.folder
    try:
        if not place.exists():
            if show:
                megabytes = f"{archive.size / 1e6:.0f} MB"
                print(f"downloading {archive.url} ({megabytes}) into {place}", file=sys.stderr)
            _download(archive, cache, place, show=show)
    except OSError as error:
        raise InputError(
            f"{cache}: cannot be written: {error.strerror or error}; make room there, or name "
            f"another folder with {CACHE_VARIABLE}"
        ) from error
    return place


def _download(archive: Archive, cache: Path, place: Path, *, show: bool) -> None:
    """Make the folder with an archive's files."""
    cache.mkdir(parents=True, exist_ok=True)
    with _own_folder(cache, archive.folder) as own:
        packed, unpacked = own / "archive", own / "files"
        _transfer(archive, packed, show=show)
        _unpack(archive, packed, unpacked)
        _settle(unpacked, place)


@contextlib.contextmanager
def _own_folder(cache: Path, name: str) -> Iterator[Path]:
    """Make a folder of this process alone, which is gone after the block."""
    own = Path(tempfile.mkdtemp(dir=cache, prefix=f".{name}.", suffix=PARTIAL))
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _settle(unpacked: Path, place: Path) -> None:
    """Put the folder in its place, unless another process was first."""
    try:
        unpacked.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _transfer(archive: Archive, packed: Path, *, show: bool) -> None:
    """Write the archive to a file, and check its size and digest."""
    import requests

    plain = {"Accept-Encoding": "identity"}  # it is compressed already, and is wanted as it is
    with packed.open("wb") as file, _Received(archive, file, show=show) as received:
        try:
            with requests.get(archive.url, headers=plain, stream=True, timeout=_TIMEOUT) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_content(_CHUNK):
                    received.write(chunk)
        except requests.RequestException as error:
            raise InputError(
                f"{archive.url}: cannot be downloaded: {_reason(error)}; try again, or give a "
                "folder that has the files: --data NAME:FOLDER"
            ) from error
        received.check()


class _Received:
    """A file that takes no more bytes than expected, and digests them."""

    def __init__(self, archive: Archive, file: IO[bytes], *, show: bool) -> None:
        from tqdm import tqdm

        self._archive, self._file = archive, file
        self._size, self._digest = 0, hashlib.sha256()
        self._bar = tqdm(
            total=archive.size,
            unit="B",
            unit_scale=True,
            desc=archive.folder,
            disable=None if show else True,  # None: where it is no terminal
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def write(self, chunk: bytes) -> None:
        """Take some bytes."""
        self._size += len(chunk)
        if self._size > self._archive.size:
            raise self._wrong(f"{self._archive.size:,} bytes", "more")
        self._file.write(chunk)
        self._digest.update(chunk)
        self._bar.update(len(chunk))

    def check(self) -> None:
        """Raise unless all has come and is what was expected."""
        if self._size != self._archive.size:
            raise self._wrong(f"{self._archive.size:,} bytes", f"{self._size:,}")
        if self._digest.hexdigest() != self._archive.sha256:
            raise self._wrong(f"SHA-256 {self._archive.sha256}", self._digest.hexdigest())

    def _wrong(self, expected: str, found: str) -> InputError:
        return InputError(
            f"{self._archive.url}: expected {expected}. Received: {found}; nothing was kept"
        )


def _reason(error: RequestException) -> str:
    """Say in a few words why a transfer failed; requests says it in many."""
    import requests

    if error.response is not None:
        return f"the server answers with status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_TIMEOUT} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return str(error)


def _unpack(archive: Archive, packed: Path, unpacked: Path) -> None:
    """Write the wanted files of an archive into a new folder."""
    unpacked.mkdir()
    try:
        with tarfile.open(packed, "r:gz") as tar:
            missing = set(archive.members)
            for member in tar:
                folder, _, name = member.name.removeprefix("./").partition("/")
                if folder == archive.folder and name in archive.members:
                    _check_member(archive, member, archive.members[name], again=name not in missing)
                    _copy(tar, member, unpacked / name)
                    missing.discard(name)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{archive.url}: expected a tar file with gzip. Received: {error}"
        ) from error
    if missing:
        raise InputError(
            f"{archive.url}: expected {archive.folder}/{min(missing)} in it, and there is none"
        )


def _check_member(archive: Archive, member: tarfile.TarInfo, expected: int, *, again: bool) -> None:
    """Raise unless a member is a plain file of the expected size, for the first time."""
    where = f"{archive.url}: {member.name}"
    if again:
        raise InputError(f"{where}: expected once in the archive, and it is there twice")
    if not member.isreg():
        raise InputError(f"{where}: expected a plain file, and it is a link or something else")
    if member.size != expected:
        raise InputError(f"{where}: expected {expected:,} bytes. Received: {member.size:,}")


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None, "plain files have content"  # noqa: S101
    with source, path.open("xb") as target:
        shutil.copyfileobj(source, target)
