"""Fetching a data set from its owner: resumed where it broke off, and checked.

A file is written to NAME.part. A transfer that breaks off is taken up again where it
stopped (HTTP Range), in the same call or in a later one. Only after the checksum that
the owner publishes was found equal does the file get its name.

References:
    Fielding, Nottingham and Reschke, "HTTP semantics", RFC 9110, section 14, 2022,
    https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.data.places import cache_dir
from zoo.data.table import SOURCES
from zoo.errors import unknown

ATTEMPTS = 3  # transfers that bring something count anew
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 16


class FetchError(OSError):
    """A data set that could not be fetched: why, for each address tried."""


class Remote(NamedTuple):
    mirrors: tuple[str, ...]  # addresses of folders, the owner's first
    md5: dict[str, str]  # file name -> checksum as published


REMOTES = {
    "fashion_mnist": Remote(
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/"
            "data/fashion/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "mnist": Remote(
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "cifar10": Remote(
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        md5={"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    ),
}


def fetch(
    name: str,
    destination: str | Path | None = None,
    mirrors: Sequence[str] | None = None,
    progress: bool = True,
) -> Path:
    """Gets the files of a data set; those that are there and whole are kept.

    Args:
        name: a data set that is not embedded.
        destination: the folder for the files; by default NAME in the cache, where
            `load` finds them.
        mirrors: http(s) addresses of folders to try instead of the owner's, in order.
        progress: whether to show a bar, on stderr.

    Returns:
        The folder.

    Raises:
        UnknownName: for a name that is in no table.
        ValueError: for an embedded data set, or a mirror that is not http(s).
        FetchError: if a file cannot be had: no network, no such file, or one whose
            checksum is not the published one. It is not left under its name.
    """
    if name not in SOURCES:
        raise unknown("data set", name, SOURCES)
    if name not in REMOTES:
        raise ValueError(f"data set {name!r} is embedded; there is nothing to fetch")
    remote = REMOTES[name]
    mirrors = remote.mirrors if mirrors is None else tuple(mirrors)
    if not mirrors:
        raise ValueError("mirrors is empty; give at least one address")
    for mirror in mirrors:
        if not mirror.startswith(("http://", "https://")):
            raise ValueError(f"mirrors: {mirror!r} is not an http(s) address")
    folder = cache_dir() / name if destination is None else Path(destination)
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with _bars(progress) as bar:
        for file, md5 in remote.md5.items():
            urls = [f"{mirror.rstrip('/')}/{file}" for mirror in mirrors]
            _fetch_file(urls, folder / file, md5, bar(file))
    return folder


Report = Callable[[int, int | None], None]  # (bytes so far, bytes in all if known)


def _fetch_file(urls: list[str], target: Path, md5: str, report: Report) -> None:
    if target.is_file() and _md5(target) == md5:
        report(target.stat().st_size, target.stat().st_size)
        return
    part = target.with_name(target.name + ".part")
    failures = []
    for url in urls:
        resumed = part.exists()
        while True:
            try:
                _transfer(url, part, report)
            except FetchError as error:
                failures.append(str(error))
                break
            found = _md5(part)
            if found == md5:
                os.replace(part, target)
                return
            part.unlink()
            if not resumed:
                failures.append(f"{url}: wrong checksum; md5 {found}, expected {md5}")
                break
            resumed = False  # what an earlier call left may be to blame: from the start
    reasons = "\n".join(f"  {failure}" for failure in failures)
    kept = (
        f"\nWhat came is kept in {part}; run again to go on." if part.exists() else ""
    )
    raise FetchError(f"{target.name} could not be fetched:\n{reasons}{kept}")


def _transfer(url: str, part: Path, report: Report) -> None:
    """Brings the whole of a file to `part`, going on from what is there."""
    from http.client import HTTPException  # here: `import zoo.data` stays cheap
    from urllib.error import HTTPError

    left, best = ATTEMPTS, 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            total = _request(url, part, before, report)
            size = part.stat().st_size
            if total is None or size == total:
                return
            reason = f"broke off after {size} of {total} bytes"
        except HTTPError as error:
            error.close()
            raise FetchError(f"{url}: HTTP {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        size = part.stat().st_size if part.exists() else 0
        best = max(best, before)
        left = ATTEMPTS if size > best else left - 1
        if left == 0:
            raise FetchError(f"{url}: {reason}")


def _request(url: str, part: Path, have: int, report: Report) -> int | None:
    """One request, from byte `have` on; the length of the whole file, if told."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "zoo", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()  # 416: nothing follows byte `have`; it is whole, or foreign
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return have
        part.unlink()
        return _request(url, part, 0, report)
    with response:
        length = response.headers.get("Content-Length")
        length = int(length) if length and length.isdigit() else None
        resumes = response.status == 206
        if resumes:
            told = response.headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", told)
            if not match or int(match[1]) != have:
                part.unlink()
                raise OSError(f"asked for byte {have} on, but got {told or 'others'}")
        start = have if resumes else 0  # 200: the server sends the file from its start
        total = None if length is None else start + length
        size = start
        with part.open("ab" if resumes else "wb") as file:
            report(size, total)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                size += len(chunk)
                report(size, total)
    return total


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


@contextlib.contextmanager
def _bars(progress: bool):
    """Gives file name -> Report, drawn by rich or not at all."""
    if not progress:
        yield lambda file: lambda size, total: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as display:

        def bar(file: str) -> Report:
            task = display.add_task(file, total=None)
            return lambda size, total: display.update(task, completed=size, total=total)

        yield bar
