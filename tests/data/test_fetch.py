"""fetch against a server of our own: resuming, checksums, what goes wrong."""

import hashlib
import http.server
import importlib
import re
import socket
import threading

import numpy as np
import pytest

from zoo.data import FetchError, load
from zoo.errors import UnknownName

module = importlib.import_module("zoo.data.fetch")  # the name is the function's
fetch = module.fetch

CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
FILE = "cifar-10-binary.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `files`; what goes wrong is switched on in the server."""

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append((self.path, asked))
        content = server.files.get(self.path.lstrip("/"))
        if content is None:
            return self.send_error(404)
        start = 0
        if asked and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            first = start + server.lie
            end = f"{first}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", f"bytes {end}")
        else:
            self.send_response(200)
        body = content[start:]
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        self.wfile.write(body[:cut])  # then the connection is closed

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    remote = module.Remote(("http://owner.invalid/",), {FILE: md5(CONTENT)})
    monkeypatch.setitem(module.REMOTES, "cifar10", remote)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.requests = {FILE: CONTENT}, []
        server.cuts, server.ranges, server.length, server.lie = [], True, True, 0
        server.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def md5(content):
    return hashlib.md5(content).hexdigest()


def get(server, folder, **options):
    return fetch("cifar10", folder, mirrors=[server.url], progress=False, **options)


def test_fetches_and_checks(server, tmp_path):
    assert get(server, tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    assert (tmp_path / "new" / "folder" / FILE).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [FILE]
    assert server.requests == [(f"/{FILE}", None)]


def test_default_destination_is_where_load_looks(server, tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_DATA", raising=False)
    assert get(server, None) == tmp_path / "cache" / "zoo" / "cifar10"
    with pytest.raises(ValueError, match=f"cifar10/{FILE}: not a tar archive"):
        load("cifar10")


def test_what_is_whole_is_kept(server, tmp_path):
    (tmp_path / FILE).write_bytes(CONTENT)
    get(server, tmp_path)
    assert server.requests == []
    (tmp_path / FILE).write_bytes(CONTENT[:-1])  # damaged: fetched again
    get(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_an_interrupted_transfer_resumes_in_the_same_call(server, tmp_path):
    server.cuts = [100_000, 50_000, 1]
    get(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    ranges = [asked for _, asked in server.requests]
    assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_an_interrupted_transfer_resumes_in_a_later_call(server, tmp_path):
    server.cuts = [100_000, 0, 0, 0]
    with pytest.raises(FetchError, match="broke off after 100000 of 300000 bytes"):
        get(server, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE + ".part"]
    assert (tmp_path / (FILE + ".part")).read_bytes() == CONTENT[:100_000]
    server.requests.clear(), server.cuts.clear()
    get(server, tmp_path)
    assert server.requests == [(f"/{FILE}", "bytes=100000-")]
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_server_that_ignores_range(server, tmp_path):
    server.ranges = False
    server.cuts = [100_000]
    get(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=100000-"]


def test_a_server_that_ignores_range_and_always_breaks_off(server, tmp_path):
    server.ranges = False
    server.cuts = [1000, 999, 1000, 999, 1000, 999, 1000]
    with pytest.raises(FetchError, match="broke off"):
        get(server, tmp_path)
    assert len(server.requests) == module.ATTEMPTS + 1


def test_a_server_that_sends_another_range(server, tmp_path):
    server.lie = 5
    (tmp_path / (FILE + ".part")).write_bytes(CONTENT[:1000])
    get(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=1000-", None]


def test_a_server_that_tells_no_length(server, tmp_path):
    server.length = False
    get(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_a_part_that_is_whole_already(server, tmp_path):
    (tmp_path / (FILE + ".part")).write_bytes(CONTENT)
    get(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=300000-"]


@pytest.mark.parametrize(
    "part",
    [b"\0" * 1000, b"\0" * len(CONTENT), CONTENT + b"more", b""],
    ids=["zeros", "as many zeros", "longer", "empty"],
)
def test_a_foreign_part_is_replaced(server, tmp_path, part):
    (tmp_path / (FILE + ".part")).write_bytes(part)
    get(server, tmp_path)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_wrong_checksum(server, tmp_path):
    server.files[FILE] = wrong = CONTENT[:-1] + b"?"
    with pytest.raises(FetchError) as caught:
        get(server, tmp_path)
    message = str(caught.value)
    assert f"{server.url}{FILE}: wrong checksum" in message
    assert md5(wrong) in message and md5(CONTENT) in message
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1


def test_a_file_that_is_not_there(server, tmp_path):
    server.files.clear()
    with pytest.raises(FetchError, match=f"{FILE}: HTTP 404 Not Found"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1  # no use in asking again


def test_the_network_is_down(server, tmp_path):
    with socket.socket() as free:  # a port at which nobody listens
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(FetchError, match=f"{url}{FILE}: .*refused"):
            fetch("cifar10", tmp_path, mirrors=[url], progress=False)
    with pytest.raises(FetchError, match="owner.invalid"):
        fetch("cifar10", tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_falls_silent(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(FetchError, match="timed out"):
            fetch("cifar10", tmp_path, mirrors=[url], progress=False)


def test_the_next_mirror_goes_on(server, tmp_path):
    (tmp_path / (FILE + ".part")).write_bytes(CONTENT[:1000])
    mirrors = [server.url + "nothing/here/", server.url.rstrip("/")]
    fetch("cifar10", tmp_path, mirrors=mirrors, progress=False)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=1000-"] * 2
    assert server.requests[1][0] == f"/{FILE}"


def test_all_mirrors_are_told(server, tmp_path):
    server.files["other/" + FILE] = b"wrong"
    mirrors = [server.url + "nothing/", server.url + "other/"]
    with pytest.raises(FetchError, match="nothing/.*404(.|\n)*other/.*wrong checksum"):
        fetch("cifar10", tmp_path, mirrors=mirrors, progress=False)


def test_progress_is_on_stderr(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    fetch("cifar10", tmp_path, mirrors=[server.url])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert FILE in captured.err and "300.0" in captured.err
    get(server, tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")


def test_all_files_of_a_data_set(server, tmp_path, monkeypatch):
    names = module.REMOTES["mnist"].md5
    server.files = {name: name.encode() * 10 for name in names}
    remote = module.Remote((server.url,), {n: md5(c) for n, c in server.files.items()})
    monkeypatch.setitem(module.REMOTES, "mnist", remote)
    fetch("mnist", tmp_path, progress=False)  # from the table's own address
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == server.files


def test_arguments(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'cifar10'"):
        fetch("cifar", tmp_path)
    with pytest.raises(ValueError, match="'digits' is embedded"):
        fetch("digits", tmp_path)
    with pytest.raises(ValueError, match="mirrors is empty"):
        fetch("mnist", tmp_path, mirrors=[])
    with pytest.raises(ValueError, match="'file:///etc/' is not an http"):
        fetch("mnist", tmp_path, mirrors=["file:///etc/"])


def test_the_table():
    for name, remote in module.REMOTES.items():
        assert module.SOURCES[name].folders, f"{name} is embedded"
        for mirror in remote.mirrors:
            assert re.fullmatch(r"https?://[a-z].*/", mirror)
        for checksum in remote.md5.values():
            assert re.fullmatch("[0-9a-f]{32}", checksum)
