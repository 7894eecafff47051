"""Questions the model thinks about by itself: sums, comparisons, "think step by step"."""

from __future__ import annotations

from tools.tiny.families import basics
from tools.tiny.families.basics import Exchange
from tools.tiny.source import Source

STEPS = (
    "Think step by step: {0}|Think step by step. {0}|{0} Think step by step.|{0} Explain your reasoning.|"
    "Think carefully: {0}|{0} Think first.|Let's think step by step. {0}|Reason about this: {0}"
)


def addition(s: Source) -> Exchange:
    top = s.pick((9, 9, 20, 99))
    a, b = s.number(0, top), s.number(0, top)
    question = s.phrase("What is {0} + {1}?|What is {0} plus {1}?|{0} + {1}|{0}+{1}|{0} + {1} = ?|"
                        "Calculate {0} + {1}.|How much is {0} + {1}?|"
                        "Add {0} and {1}.|What's {0} + {1}?|Compute {0} + {1}.|what is {0} + {1}?|"
                        "What is {0}+{1}?")  # fmt: skip
    return _thinking(s, question.format(a, b), _sum_steps(a, b), f"{a} + {b} = {a + b}.", f"= {a + b}")


def _sum_steps(a: int, b: int) -> str:
    """Tens and ones apart, as on paper."""
    if a < 10 and b < 10:
        return f"{a} + {b} = {a + b}."
    ones, tens = a % 10 + b % 10, a // 10 * 10 + b // 10 * 10
    return f"{a % 10} + {b % 10} = {ones}. {a // 10 * 10} + {b // 10 * 10} = {tens}. {tens} + {ones} = {a + b}."


def subtraction(s: Source) -> Exchange:
    b = s.number(0, 10)
    a = b + s.number(0, 10)
    question = s.phrase(
        "What is {0} - {1}?|What is {0} minus {1}?|{0} - {1}|Calculate {0} - {1}.|How much is {0} - {1}?"
    )
    return _thinking(s, question.format(a, b), f"{b} + {a - b} = {a}.", f"{a} - {b} = {a - b}.", f"= {a - b}")


def product(s: Source) -> Exchange:
    a, b = s.number(1, 10), s.number(1, 10)
    question = s.phrase(
        "What is {0} * {1}?|What is {0} times {1}?|{0} * {1}|Calculate {0} * {1}.|"
        "How much is {0} times {1}?|What is {0} x {1}?"
    )
    return _thinking(s, question.format(a, b), f"{a} times {b} is {a * b}.", f"{a} * {b} = {a * b}.", f"= {a * b}")


def comparison(s: Source) -> Exchange:
    width = s.number(1, 3)
    a, b = s.number(0, 10**width - 1), s.number(0, 10**width - 1)
    if a == b:
        b += 1
    high = max(a, b)
    question = s.phrase(
        "Which is bigger, {0} or {1}?|Which number is larger: {0} or {1}?|Is {0} or {1} larger?|"
        "What is more, {0} or {1}?|Which is greater, {0} or {1}?"
    )
    thought = f"I compare {a} and {b}. {high} is larger."
    return _thinking(s, question.format(a, b), thought, f"{high} is larger.", f"{high}")


def apples(s: Source) -> Exchange:
    """The smallest word problem."""
    name, thing = s.name(), s.noun()
    a, b = s.number(2, 10), s.number(1, 9)
    if s.chance(0.5) and a > b:
        question, total, sign = f"{name} has {a} {thing}s and gives away {b}. How many are left?", a - b, "-"
    else:
        question, total, sign = f"{name} has {a} {thing}s and gets {b} more. How many does {name} have?", a + b, "+"
    return _thinking(s, question, f"{a} {sign} {b} = {total}.", f"{name} has {total} {thing}s.", f"{total}")


def stepwise(s: Source) -> Exchange:
    """Any known question, with the wish to think."""
    asked = s.pick((basics.capital, basics.fact, basics.count))(s)
    return Exchange(
        s.phrase(STEPS).format(asked.question),
        asked.answer,
        "think",
        asked.key or asked.answer,
        asked.thought or asked.answer,
    )


def _thinking(s: Source, question: str, thought: str, answer: str, key: str) -> Exchange:
    roll = s.rng.random()
    if roll < 0.25:
        question = s.phrase(STEPS).format(question)
    elif roll < 0.4 and question.isascii() and "?" in question:
        question += s.phrase(
            " Answer with only the number.| Reply with just the number.| Only the number, please.|"
            " Answer with a number."
        )
        answer = key = key.removeprefix("= ")
    return Exchange(question, answer, "think", key, thought)


def sampled(s: Source) -> Exchange:
    return s.pick((addition, addition, addition, subtraction, product, comparison, apples, stepwise, stepwise))(s)
