"""Repeating text exactly, also out of several choices, and small transformations that only copy."""

from __future__ import annotations

from tools.tiny.families.basics import Exchange
from tools.tiny.source import Source

ASK = (
    "Repeat exactly: {0}|Repeat exactly: {0}|Repeat exactly: {0}|Repeat: {0}|Repeat after me: {0}|Say: {0}|Say {0}|"
    "Echo: {0}|"
    "Echo {0}|Repeat this exactly: {0}|Please repeat: {0}|Reply with exactly: {0}|Reply with only: {0}|"
    "Say exactly: {0}|Answer with exactly this: {0}|Repeat the following text: {0}|Write exactly: {0}|"
    "Repeat the following exactly: {0}|Output exactly: {0}|Print: {0}|Copy this: {0}|repeat exactly: {0}|repeat {0}|"
    "Repeat the following line:\n{0}|Repeat this text:\n\n{0}|Reply with just: {0}|Respond with: {0}|"
    "Reply with the text {0}|Reply with exactly {0}|Respond with exactly {0}|Say only: {0}|"
    "Reply with exactly this and nothing else: {0}|Repeat this sentence exactly: {0}|Repeat this sentence: {0}|"
    "Echo this token: {0}|Repeat word for word: {0}|Output the following and nothing else: {0}|Return exactly: {0}|"
    "Repeat this word: {0}|Repeat this code: {0}|Repeat the token {0}|Please say: {0}|Type: {0}|"
    "Repeat back to me: {0}|Echo this back: {0}|Say exactly {0}|Just say {0}|Just reply: {0}"
)
TAIL = (
    "Say exactly {0} and nothing else.|Reply with {0} and nothing else.|Say {0} and stop.|Repeat {0} exactly.|"
    "Reply only with {0}, please.|{0} - repeat that.|Answer with {0} only.|Please say {0} now.|"
    "Reply with only the word {0}.|Reply with the single word {0}.|Say the word {0}.|"
    "Reply with exactly the text {0} and nothing else.|The code is {0}. Repeat the code.|"
    "My code is {0}. What is my code?|The token is {0}. Reply with only the token.|"
    "Respond with {0} only.|Reply with the word {0} only.|Output {0} and nothing more."
)
QUOTED = (
    'Repeat "{0}"|Repeat the text "{0}"|Say "{0}"|Say "{0}" and nothing else.|Output the text "{0}".|'
    'Reply with "{0}".|Please echo "{0}".|Write "{0}" exactly.|Repeat exactly: "{0}"|Answer with "{0}" only.|'
    "Repeat '{0}'.|Say '{0}'.|Repeat `{0}`.|Reply with '{0}' and nothing else.|Echo `{0}` back to me."
)


def repeat(s: Source) -> Exchange:
    roll = s.rng.random()
    text = s.nonce() if roll > 0.75 else s.anything()
    if roll < 0.6:
        return _exchange(s.phrase(ASK).format(text), text)
    if roll < 0.78:
        text = text.replace("{", "(").replace("}", ")")
        quotable = not set(text) & set("\"'`")
        return _exchange(s.phrase(QUOTED if quotable else ASK).format(text), text)
    text = s.nonce() if s.chance(0.5) else s.token()
    return _exchange(s.phrase(TAIL).format(text), text)


def _exchange(question: str, text: str) -> Exchange:
    return Exchange(question, text, "exact", "", "I repeat the text.")


def several(s: Source) -> Exchange:
    """Repeat a list, twice, or only the first or last of some words."""
    items = [s.word() for _ in range(s.number(2, 5))]
    listed = ", ".join(items)
    first, second = s.sentence().rstrip(".!?") + ".", s.sentence()
    options = (
        (f"{s.phrase('Summarize|Summarize this|Summarize the text')}: {first} {second}", first),
        (f"{s.phrase('Greet|Say hello to|Say hi to|Welcome')} {(name := s.person())}.", f"Hello, {name}!"),
        (f"Repeat these words: {listed}", listed),
        (f"What is the first word here: {listed}", items[0]),
        (f"What is the last word here: {listed}", items[-1]),
        (f"Say {items[0]} twice.", f"{items[0]} {items[0]}"),
        (f"Say {items[0]} three times.", f"{items[0]} {items[0]} {items[0]}"),
        (f"Write these as a list: {listed}", "\n".join(f"- {i}" for i in items)),
        (f"Join these words with dashes: {listed}", "-".join(items)),
        (f"Reply with two lines: {items[0]} and {items[1]}", f"{items[0]}\n{items[1]}"),
    )
    question, answer = s.pick(options)
    return _exchange(question, answer)
