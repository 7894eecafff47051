"""`mlxtui bench`: a client that measures any OpenAI-compatible endpoint over HTTP.

It knows nothing of our server and imports none of it: what it says of ours it would say of anybody's.
"""

from __future__ import annotations

_TEXT = """
Measure any OpenAI-compatible endpoint, or several side by side in alternating rounds.

Scenarios (--select takes any of them, by name; default: all):

* throughput: tokens/s at each number of --clients, with the time to the first token (TTFT) and the pause between two
  pieces of text, each as p50, p95 and p99.

* rate: requests/s at max_tokens 1, at each number of --clients.

* followup: TTFT of a conversation of --prompt-tokens when it is new, and of its later turns; for one conversation, and
  for four that take turns with eight side calls before each turn.

* gap: the longest pause of a running stream while a prompt of --prompt-tokens arrives, and whether a short request that
  was sent behind that prompt gets its first token before it.

* disconnect: how soon a slot is free after a client has gone, in decode and in prefill (if /health counts "running"),
  how much of its prefill a retry has to do again, and the TTFT of the next request when one of as many clients as the
  largest of --clients leaves.

Every prompt opens with a nonce, so "cold" is cold. Temperature is 0. Tokens are those of the endpoint's own usage; if
it tells none, pieces of text are counted, and the report says so. A request's clock starts when it is written to a
connection that is already open, and answers are parsed after the last byte has come: parsing one never delays another.

With --floor MODEL the bare batch loop of mlx-lm runs such prompts on that model, in a process of its own, each round
just before the endpoints have their turns at throughput and rate. "of floor" is the median over the rounds of the ratio
to it; "of first" is the same ratio to the first URL. Give it the model that the endpoints serve.

With the --nonce of an earlier run the prompts are those of that run: what is "cold" then shows what a server has kept
since, for example over a restart.

Load tests go to loopback only; for any other host say --yes-remote. No proxies, no redirects.

Exit code 0: all was measured. 1: something could not be, and the report says why. 2: nothing to measure.
130: interrupted; what was known by then is printed.
"""

ABOUT = "\n\n".join(" ".join(paragraph.split()) for paragraph in _TEXT.split("\n\n"))
"""What `mlxtui bench --help` says, a line for each paragraph: terminals differ in width."""
