"""An exchange as a curl line: the same bytes again, or no line at all, and never a secret."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from mlxtui_conformance.curl import LONGEST, curl
from mlxtui_conformance.target import Target
from mlxtui_conformance.wire import Exchange

URL = "http://host/v1/chat/completions"
HEADERS = (("Host", "host"), ("Accept", "*/*"), ("Content-Type", "application/json"), ("User-Agent", "us"))
TARGET = Target("http://host/v1", "tiny")


def posted(body: str) -> Exchange:
    return Exchange("POST", URL, body, len(body.encode()), HEADERS)


def test_a_body_comes_out_as_it_went_in() -> None:
    body = """{"text": "it's 3 o'clock \\n $HOME `ls` \u2026 @file"}"""
    assert shlex.split(curl(posted(body), TARGET)) == [
        *("curl", "-isSN", URL, "-H", "content-type: application/json", "--data-raw", body)
    ]


def test_methods_and_bare_bodies_are_kept() -> None:
    assert curl(Exchange("GET", URL, "", 0, HEADERS[:2]), TARGET) == f"curl -isSN {URL}"
    asked = (*HEADERS[:2], ("Origin", "http://a"), ("Access-Control-Request-Method", "POST"))
    line = shlex.split(curl(Exchange("OPTIONS", URL, "", 0, asked), replace(TARGET, insecure=True)))
    assert line[2:6] == ["-k", URL, "-X", "OPTIONS"]
    assert {"origin: http://a", "access-control-request-method: POST"} < set(line)
    assert "-H content-type:" in curl(Exchange("POST", URL, "{}", 2, HEADERS[:2]), TARGET)


@pytest.mark.parametrize(
    "exchange",
    [
        None,
        posted("x" * (LONGEST + 1)),
        Exchange("POST", URL, "\\xff", 1, HEADERS),  # a byte that is no UTF-8, as the report shows it
        posted("a\0b"),
        Exchange("POST", URL, "(half a body on a bare connection)"),
    ],
    ids=["nothing", "long", "no text", "NUL", "bare"],
)
def test_what_no_command_would_send_gives_none(exchange: Exchange | None) -> None:
    assert curl(exchange, TARGET) == ""


def test_the_key_and_the_users_headers_stay_out() -> None:
    target = replace(TARGET, key="sk-1", headers=(("X-Org", "mine"), ("Accept", "text/x")))
    asked = (*HEADERS, ("Authorization", "Bearer sk-1"), ("x-org", "mine"), ("Accept", "text/x"))
    line = curl(Exchange("POST", URL, "{}", 2, asked), target)
    assert '"Authorization: Bearer $OPENAI_API_KEY"' in line
    assert "'X-Org: …'" in line
    assert not [secret for secret in ("sk-1", "mine", "text/x") if secret in line]
    basic = curl(Exchange("POST", URL, "{}", 2, (("Authorization", "Basic Ym9iOnB3"),)), target)
    assert "'authorization: …'" in basic
    assert "Ym9iOnB3" not in basic
    wrong = curl(Exchange("POST", URL, "{}", 2, (("Authorization", "Bearer nonsense"),)), target)
    assert "'authorization: Bearer nonsense'" in wrong, "a key that was made up is what the check is about"
