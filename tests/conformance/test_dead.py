"""Servers that are not there, hang, or speak something else: one line on standard error and exit code 2, soon."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mlxtui_conformance import canary
from mlxtui_conformance.options import Options

from .fake.hooks import CRASH, on, path
from .fake.server import Asked, Said, Server, say
from .ran import Ran, flawed, go, go_to

Talk = Callable[[socket.socket], None]


@contextmanager
def answering(talk: Talk) -> Iterator[str]:
    """A port on which `talk` has the word once a request has begun; connections stay open until the end."""
    kept: list[socket.socket] = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return  # closed: the test is over
            kept.append(connection)
            connection.recv(65536)
            with suppress(OSError):  # the client may have left already
                talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in kept:
        connection.close()


def silence(connection: socket.socket) -> None:
    """Never a word."""


def a_promise(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")


def another_protocol(connection: socket.socket) -> None:
    connection.sendall(b"-ERR unknown command\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)


def an_alert(connection: socket.socket) -> None:
    """What a TLS server says to a client that speaks in the clear."""
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")
    connection.shutdown(socket.SHUT_WR)


def in_the_clear(connection: socket.socket) -> None:
    """What a plain server says to the first bytes of TLS."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def one_line(ran: Ran) -> str:
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran
    return ran.err


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        told = one_line(go(f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert "is not there: " in told
    assert "refused" in told


@pytest.mark.parametrize("talk", [silence, a_promise])
def test_no_answer_ends_within_the_greeting(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert canary.GREETING + canary.GLANCE + Options().warmup <= 30
    monkeypatch.setattr(canary, "GREETING", 0.2)
    with answering(talk) as address:
        assert "is not there: no answer within 0.2 s" in one_line(go(f"http://{address}"))


def test_a_hanging_engine(server: Server) -> None:
    base = flawed(server, flags=frozenset({"stuck"}))
    assert f"{base}/chat/completions is not answered: no answer within 0.1 s" in one_line(go(base, warmup=0.1))


def test_a_server_that_speaks_something_else() -> None:
    with answering(another_protocol) as address:
        told = one_line(go(f"http://{address}"))
    assert "it does not answer in HTTP: " in told
    assert "-ERR unknown" in told


def test_a_server_that_hangs_up() -> None:
    with answering(hang_up) as address:
        assert "it does not answer in HTTP: Server disconnected" in one_line(go(f"http://{address}"))


def test_http_to_a_tls_server() -> None:
    with answering(an_alert) as address:
        assert "as a TLS server would not: try https://" in one_line(go(f"http://{address}"))


def test_https_to_a_plain_server() -> None:
    with answering(in_the_clear) as address:
        assert "it does not speak TLS (try http://)" in one_line(go(f"https://{address}"))


def certificate(folder: Path) -> Path:
    """A key and a certificate that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = made.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    bare = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "own.pem"
    file.write_bytes(bare + signed.public_bytes(pem))
    return file


class OneModel(BaseHTTPRequestHandler):
    """Every GET is answered with a list of models, every POST with nothing much."""

    def do_GET(self) -> None:
        model = {"id": "tiny", "object": "model", "created": 1, "owned_by": "maker"}
        self.answer({"object": "list", "data": [model]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.answer({})

    def answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """Into the void."""


@contextmanager
def over_tls(file: Path) -> Iterator[str]:
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(file)
    with HTTPServer(("127.0.0.1", 0), OneModel) as listening:
        # The handshake comes with the first read, where a client that turns away is a closed connection.
        listening.socket = secure.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "url", ["", "http://", "/v1", "::1", "http://[::1:9", "127.0.0.1:port", "127.0.0.1:99999", "http://a b", "host\n"]
)
def test_what_is_no_url(url: str) -> None:
    assert one_line(go_to((url,))) == f"{url!r} is no URL of a server: give http://host:port\n"


def test_a_web_page_is_no_api(server: Server) -> None:
    page = Said(200, b"<html>Welcome</html>", "text/html")
    base = flawed(server, reply=lambda asked, said: page)
    told = one_line(go(base))
    assert "lists no model; name one with --model, or give the API root" in told
    assert "(200 text/html <html>Welcome</html>)" in told


def test_a_redirect_is_told_with_its_goal(server: Server) -> None:
    moved = Said(308, b"", "text/plain", {"location": "https://elsewhere/v1"})
    assert "308 to https://elsewhere/v1" in one_line(go(flawed(server, reply=lambda asked, said: moved)))


def test_a_certificate_nobody_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with over_tls(certificate(tmp_path)) as secure:
        assert "its certificate is not trusted (--insecure takes any)" in one_line(go(secure))
        assert go(secure, insecure=True, select=("models.list",)).code == 0
    capsys.readouterr()  # the server's word on who turned away


def test_a_run_that_takes_too_long_is_cut_short_and_proves_nothing(server: Server, tmp_path: Path) -> None:
    released = threading.Event()

    def stuck(asked: Asked, said: Said) -> Said:
        return said if not asked.path.startswith("/v1/models/") or released.wait(60) else CRASH

    file = tmp_path / "junit.xml"
    ran = go(flawed(server, reply=stuck), select=("models",), total=3.0, junit=file)
    released.set()
    assert ran.code == 2
    assert "--total 3 s were over after " in ran.out
    assert 'error message="--total 3 s were over' in file.read_text(encoding="utf-8")


def test_what_a_server_says_cannot_steer_the_terminal(server: Server) -> None:
    def odd(asked: Asked, said: Said) -> Said:
        return say(401, {"error": {"message": "\x1b[2J\x9b31m"}})

    told = one_line(go(flawed(server, reply=on(path("/models"), odd))))
    assert "wants --api-key" in told
    assert not set(told.rstrip("\n")) & {"\x1b", "\x9b", "\n"}
