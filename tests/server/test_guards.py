"""Who may speak to the server: hosts, origins, keys and headers, on every route there is."""

from __future__ import annotations

import asyncio
import json
import re

import httpx2
import pytest

from mlxtui.settings import Settings
from tests.server.serving import CHAT, HELLO, Served, chat, run, serving
from tests.server.test_errors import assert_error

LOCKED = Settings(api_key="open sesame")


async def exchange_bytes(served: Served, *lines: str, body: bytes = b"") -> str:
    """What the server answers to exactly these bytes, until it closes the connection."""
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode("utf-8")


@pytest.mark.parametrize("host", ["evil.com", "evil.com:8080", "127.0.0.1.evil.com", "localhost.evil.com", "[::2]", ""])
def test_a_foreign_host_is_refused_on_every_path_and_method(host: str) -> None:
    async def main() -> None:
        async with serving() as served, served.http(headers={"host": host}) as http:
            for method, path in (("GET", "/health"), ("POST", CHAT), ("OPTIONS", CHAT), ("GET", "/nothing")):
                assert_error(await http.request(method, path), 403, None, "host_not_allowed")

    run(main())


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:8080", "a.localhost", "mac.lan"])
def test_a_loopback_or_allowed_host_is_served(host: str) -> None:
    async def main() -> None:
        settings = Settings(allowed_hosts=("mac.lan",))
        async with serving(settings=settings) as served, served.http(headers={"host": host}) as http:
            assert (await http.get("/health")).status_code == 200

    run(main())


def test_a_foreign_host_in_the_request_line_is_refused() -> None:
    async def main() -> None:
        async with serving() as served:
            answer = await exchange_bytes(
                served, "GET http://evil.com/v1/models HTTP/1.1", "Host: evil.com", "Connection: close"
            )
        assert answer.startswith("HTTP/1.1 403")

    run(main())


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.com"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_is_refused_without_cors_headers(headers: dict[str, str]) -> None:
    async def main() -> None:
        async with serving() as served, served.http(headers=headers) as http:
            preflight = {"access-control-request-method": "POST"}
            for response in (
                await http.post(CHAT, json=HELLO),
                await http.get("/mlxtui/events"),
                await http.options(CHAT, headers=preflight),
            ):
                assert_error(response, 403, None, "origin_not_allowed")
                assert not [name for name in response.headers if name.startswith("access-control")]

    run(main())


def test_a_page_of_our_own_or_an_allowed_site_is_served() -> None:
    async def main() -> None:
        settings = Settings(allowed_origins=("https://chat.example",), api_key="k")
        async with serving(settings=settings) as served, served.http() as http:
            key = {"authorization": "Bearer k"}
            own = await http.get("/v1/models", headers=key | {"origin": served.url})
            assert own.status_code == 200
            site = {"origin": "https://chat.example", "sec-fetch-site": "cross-site"}
            preflight = await http.options(CHAT, headers=site)
            assert preflight.status_code == 204
            assert preflight.headers["access-control-allow-origin"] == "https://chat.example"
            assert "authorization" in preflight.headers["access-control-allow-headers"]
            answer = await http.post(CHAT, json=HELLO, headers=site | key)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == "https://chat.example"
            assert answer.headers["vary"] == "origin"
            assert_error(await http.post(CHAT, json=HELLO, headers=site), 401)

    run(main())


def test_every_route_but_health_asks_for_the_key() -> None:
    async def main() -> None:
        async with serving(settings=LOCKED) as served, served.http() as http:
            rules = [(rule.rule, method) for rule in served.app.url_map.iter_rules() for method in rule.methods or ()]
            assert len(rules) > 10
            for rule, method in [*rules, ("/nothing", "GET"), ("/v1/nothing", "POST"), ("/HEALTH", "GET")]:
                response = await http.request(method, re.sub("<.*?>", "x", rule))
                if rule == "/health":
                    assert response.status_code == 200
                elif method == "HEAD":
                    assert response.status_code == 401
                else:
                    assert_error(response, 401, None, "invalid_api_key")
                    assert response.headers["www-authenticate"] == "Bearer"

    run(main())


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ([("authorization", "Bearer wrong")], CHAT),
        ([("authorization", "Basic open sesame")], CHAT),
        ([("authorization", "open sesame")], CHAT),
        ([("authorization", "Bearer open sesame"), ("authorization", "Bearer wrong")], CHAT),
        ([("authorization", "Bearer \xff")], CHAT),
        ([("x-api-key", "open sesame")], CHAT),
        ([], f"{CHAT}?api_key=open%20sesame"),
    ],
    ids=["wrong", "basic", "no scheme", "two", "latin", "another header", "in the query"],
)
def test_a_key_that_does_not_open(headers: list[tuple[str, str]], path: str) -> None:
    async def main() -> None:
        async with serving(settings=LOCKED) as served, served.http() as http:
            encoded = httpx2.Headers([(k.encode(), v.encode("latin-1")) for k, v in headers])
            assert_error(await http.post(path, json=HELLO, headers=encoded), 401, None, "invalid_api_key")
            assert served.events == served.events[:1]

    run(main())


def test_the_official_client_has_the_key() -> None:
    async def main() -> None:
        async with serving(settings=LOCKED) as served, served.openai(api_key="open sesame") as client:
            assert (await client.chat.completions.create(**HELLO)).choices[0].message.content == "Hello"

    run(main())


def test_too_many_and_too_long_headers_are_refused() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            many = {f"x-{i}": "1" for i in range(120)}
            assert_error(await http.get("/v1/models", headers=many), 431, None, "headers_too_large")
            long = await http.get("/v1/models", headers={"x-long": "x" * 40_000})
            assert long.status_code in (400, 431)

    run(main())


BROKEN = {
    "two lengths": ("POST /v1/models HTTP/1.1", "Host: localhost", "Content-Length: 1", "Content-Length: 2"),
    "a negative length": ("POST /v1/models HTTP/1.1", "Host: localhost", "Content-Length: -1"),
    "no host": ("GET /v1/models HTTP/1.1", "Accept: */*"),
    "TLS": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",),
    "a path of other bytes": ("GET /\xff HTTP/1.1", "Host: localhost"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_http_is_refused_and_the_connection_closed(name: str) -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            assert (await exchange_bytes(served, *BROKEN[name], "Connection: close")).startswith("HTTP/1.1 40")
            assert (await http.get("/health")).status_code == 200

    run(main())


def test_a_request_says_its_length_in_one_way() -> None:
    body = json.dumps(HELLO).encode()
    lines = (f"POST {CHAT} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Connection: close")

    async def main() -> None:
        async with serving() as served:
            both = (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked")
            chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
            assert (await exchange_bytes(served, *lines, *both, body=chunks)).startswith("HTTP/1.1 400")
            assert (await exchange_bytes(served, *lines, both[1], body=chunks)).startswith("HTTP/1.1 200")

    run(main())


def test_an_offer_of_http_2_is_answered_in_http_1() -> None:
    settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Connection: close", "Upgrade: h2c", settings)

    async def main() -> None:
        async with serving() as served:
            answer = await exchange_bytes(served, "GET /health HTTP/1.1", "Host: localhost", *upgrade)
            assert answer.startswith("HTTP/1.1 200")

    run(main())


def test_http_2_is_not_spoken() -> None:
    async def main() -> None:
        async with serving() as served:
            answer = await exchange_bytes(served, "PRI * HTTP/2.0", "Connection: close")
            assert answer.startswith("HTTP/1.1 400")

    run(main())


def test_a_websocket_is_refused() -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

    async def main() -> None:
        async with serving() as served, served.http() as http:
            for path in ("/v1/models", "/nothing"):
                answer = await exchange_bytes(served, f"GET {path} HTTP/1.1", "Host: localhost", *upgrade, key)
                assert re.match(r"HTTP/1.1 4\d\d", answer)
            assert (await http.get("/health")).status_code == 200

    run(main())


def test_a_body_that_never_arrives_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxtui.server.answers.LINGER", 0.02)
    lines = (f"POST {CHAT} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 100")

    async def main() -> None:
        async with serving() as served:
            served.app.config["BODY_TIMEOUT"] = 0.05
            answer = await exchange_bytes(served, *lines, "Connection: close", body=b"{")
            assert answer.startswith("HTTP/1.1 408")
            assert json.loads(answer.partition("\r\n\r\n")[2])["error"]["code"] == "request_timeout"

    run(main())


EARLY = (f"POST {CHAT} HTTP/1.1", "Host: localhost", "Content-Type: text/plain", "Content-Length: 5", "", "")


def test_a_refusal_waits_for_the_body_so_that_the_connection_can_be_used_again() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
            writer.write("\r\n".join(EARLY).encode())
            await http.get("/health")
            writer.write(b"hello" + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answers = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
        assert re.findall("HTTP/1.1 (...)", answers) == ["415", "200"]

    run(main())


def test_a_refusal_of_a_body_that_does_not_come_says_that_the_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxtui.server.answers.LINGER", 0.02)

    async def main() -> None:
        async with serving() as served:
            answer = await exchange_bytes(served, *EARLY[:-2])
        assert answer.startswith("HTTP/1.1 415")
        assert "connection: close" in answer.lower()

    run(main())


def test_the_key_never_shows_in_events_or_the_inspector() -> None:
    async def main() -> None:
        async with serving(settings=LOCKED) as served, served.openai(api_key="open sesame") as client:
            await client.chat.completions.create(**chat(user="me"))
            [exchange] = served.ledger._exchanges.values()
            assert "sesame" not in json.dumps(exchange.to_json()) + repr(served.events)

    run(main())
