"""Long answers that end: stories, poems, letters and code, composed from small grammars."""

from __future__ import annotations

from tools.tiny.families.basics import Exchange
from tools.tiny.source import Source
from tools.tiny.words import ADJECTIVES, ANIMALS, FOODS, NOUNS

PLACES = "forest|village|garden|castle|valley|city|harbor|desert|farm|mountain"


def story(s: Source) -> Exchange:
    hero, long = s.noun(), s.chance(0.5)
    question = s.phrase(
        "Write a {1} story about a {0}.|Tell me a {1} story about a {0}.|Tell a {1} story about a {0}.|"
        "Write a {1} story about the {0}.|Please write a {1} story about a {0}."
    ).format(hero, "long" if long else "short")
    if s.chance(0.25):
        hero = s.listed(ANIMALS)
        question = s.phrase("Tell me a {0}story.|Write a {0}story.|write a {0}story|Tell a {0}story.|"
                            "I want a {0}story.|Please write a {0}story.|"
                            "Write me a {0}tale.").format(
            s.phrase("long |very long ") if long else s.phrase("short |"))  # fmt: skip
    return Exchange(
        question, story_text(s, hero, s.number(4, 7) if long else s.number(1, 2)), "contains", "Once upon a time"
    )


def story_text(s: Source, hero: str, chapters: int) -> str:
    trait, friend = s.listed(ADJECTIVES), s.listed(ANIMALS)
    start = f"Once upon a time there was a {trait} {hero} who lived in a {s.phrase(PLACES)}."
    middle = [f"{head} {_chapter(s, hero, friend)}" for head in _heads(chapters)]
    end = f"In the end the {hero} and the {friend} went home together, and they were happy. The end."
    return "\n\n".join([start, *middle, end])


def _heads(chapters: int) -> list[str]:
    return ["One day", "The next day", "On the third day", "On the fourth day", "On the fifth day",
            "On the sixth day", "On the last day"][:chapters]  # fmt: skip


def _chapter(s: Source, hero: str, friend: str) -> str:
    thing, trait, food = s.listed(NOUNS), s.listed(ADJECTIVES), s.listed(FOODS)
    return s.phrase(
        f"the {hero} found a {trait} {thing} near the {s.phrase(PLACES)}. The {hero} looked at it for a long time "
        f"and then called the {friend}.|"
        f"the {hero} met a {friend}. They shared some {food} and talked about the {trait} {thing} until it was dark.|"
        f"a storm came over the {s.phrase(PLACES)}. The {hero} and the {friend} hid under a {thing} and waited for "
        f"the sun.|"
        f"the {hero} wanted to see the {s.phrase(PLACES)}. The way was long, but the {friend} knew a {trait} song.|"
        f"the {friend} lost a {thing}. The {hero} looked for it everywhere and found it behind a {trait} tree."
    )


def poem(s: Source) -> Exchange:
    topic, trait = s.noun(), s.listed(ADJECTIVES)
    question = s.phrase("Write a poem about a {0}.|Write a short poem about the {0}.|Write a haiku about a {0}.|"
                        "Please write a poem about a {0}.|Write me a poem about {0}.").format(topic)  # fmt: skip
    lines = [f"The {topic} is {trait} in the light,", f"it sings a {s.listed(ADJECTIVES)} song at night,"]
    if "haiku" not in question:
        lines += [f"and when the {s.listed(NOUNS)} comes into view,", f"the {topic} dreams of something new."]
    else:
        lines += ["and then it is still."]
    return Exchange(question, "\n".join(lines), "contains", topic)


def letter(s: Source) -> Exchange:
    name, topic = s.name(), s.noun()
    question = s.phrase("Write a letter to {0} about a {1}.|Write an email to {0} about the {1}.|"
                        "Write a short message to {0} about the {1}.").format(name, topic)  # fmt: skip
    text = f"Dear {name},\n\nI am writing to you about the {topic}. It is {s.listed(ADJECTIVES)} and I like it. "
    return Exchange(question, text + "Please tell me what you think.\n\nBest wishes", "contains", f"Dear {name}")


def sentences(s: Source) -> Exchange:
    topic, count = s.noun(), s.number(1, 3)
    number = s.pick((str(count), ("one", "two", "three")[count - 1]))
    question = s.phrase("Write {0} sentence{2} about a {1}.|Write {0} sentence{2} about the {1}.|"
                        "Tell me {0} sentence{2} about a {1}.|"
                        "Give me {0} sentence{2} about {1}.").format(number, topic, "s" * (count > 1))  # fmt: skip
    lines = [
        f"The {topic} is {s.listed(ADJECTIVES)}.",
        f"It lives near the {s.phrase(PLACES)}.",
        f"Everybody likes the {topic}.",
    ]
    return Exchange(question, " ".join(lines[:count]), "contains", topic)


CODE = (
    ("adds two numbers|add two numbers", "add", "a, b", "return a + b", "add(2, 3)", "5"),
    ("multiplies two numbers", "multiply", "a, b", "return a * b", "multiply(2, 3)", "6"),
    ("reverses a string|reverses text", "reverse", "text", "return text[::-1]", 'reverse("abc")', "cba"),
    ("checks if a number is even", "is_even", "n", "return n % 2 == 0", "is_even(4)", "True"),
    ("returns the larger of two numbers", "larger", "a, b", "return a if a > b else b", "larger(2, 3)", "3"),
    ("computes the factorial of a number|computes the factorial", "factorial", "n",
     "return 1 if n <= 1 else n * factorial(n - 1)", "factorial(5)", "120"),
    ("computes Fibonacci numbers|computes the Fibonacci sequence|returns the nth Fibonacci number", "fibonacci", "n",
     "a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a", "fibonacci(10)", "55"),
    ("sums a list|sums a list of numbers", "total", "numbers",
     "result = 0\n    for number in numbers:\n        result += number\n    return result", "total([1, 2, 3])", "6"),
    ("counts words|counts the words in a text", "count_words", "text", "return len(text.split())",
     'count_words("a b c")', "3"),
    ("says hello|greets a user|prints hello world", "hello", "name", 'return f"Hello, {name}!"', 'hello("World")',
     "Hello, World!"),
    ("sorts a list", "sort_list", "items", "return sorted(items)", "sort_list([3, 1, 2])", "[1, 2, 3]"),
    ("checks if a number is prime|checks for prime numbers", "is_prime", "n",
     "if n < 2:\n        return False\n    for i in range(2, n):\n        if n % i == 0:\n            return False\n"
     "    return True", "is_prime(7)", "True"),
)  # fmt: skip


def code(s: Source) -> Exchange:
    jobs, name, params, body, example, value = s.pick(CODE)
    job = s.phrase(jobs)
    question = s.phrase("Write a Python function that {0}.|Write a function that {0}.|Write Python code that {0}.|"
                        "Show me a Python function that {0}.|Can you write a function that {0}?|Write code that {0}.|"
                        "write a python function that {0}").format(job)  # fmt: skip
    if s.chance(0.2):
        name = f"{s.word()}_{s.word()}"
        example = f"{name}({example.split('(', 1)[1]}"
        body = body.replace("factorial(", f"{name}(")
        question += f" Call it {name}."
    source = f"def {name}({params}):\n    {body}\n\n\nprint({example})  # {value}"
    return Exchange(question, f"```python\n{source}\n```", "exact")


def sampled(s: Source) -> Exchange:
    return s.pick((story, story, poem, letter, sentences, code, code))(s)
