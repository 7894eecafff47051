"""Small talk, facts, counting, lists, and the honest "I do not know": what the model knows by heart."""

from __future__ import annotations

from dataclasses import dataclass

from tools.tiny import facts
from tools.tiny.source import Source
from tools.tiny.talk import Check


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer: a whole conversation, or a turn of a longer one."""

    question: str
    answer: str
    check: Check = "exact"
    key: str = ""
    thought: str = ""


CAPITAL_QUESTIONS = (
    "What is the capital of {0}?|What is the capital of {0}?|What is the capital of {0}?|"
    "What's the capital of {0}?|what is the capital of {0}|what is the capital of {0}?|"
    "Capital of {0}?|capital of {0}|Tell me the capital of {0}.|The capital of {0}?|"
    "Which city is the capital of {0}?|What is the capital city of {0}?|"
    "Please tell me the capital of {0}.|Do you know the capital of {0}?|Name the capital of {0}.|"
    "Quick question: what is the capital of {0}?|Can you tell me the capital of {0}?|"
    "I would like to know the capital of {0}.|what's the capital city of {0}|"
    "Can you tell me what the capital of {0} is?|"
    "Tell me what the capital of {0} is.|I wonder what the capital of {0} is.|Hey, what's the capital of {0}?|"
    "What city is the capital of {0}?|And the capital of {0}?"
)
SHORT = (
    " Answer in one word.| Answer with one word.| Reply with one word only.| One word.| Just the name."
    "| Answer with only the city name.| Answer briefly.| Reply with just the answer."
)
UNKNOWN = (
    "What is the population of {0}?|Who won the {1} cup in 2019?|How do I repair a {1}?|"
    "Why is the {1} so {2}?|Explain the history of {0}.|What is the weather in {3} right now?|"
    "Who is {0}?|Where is {0}?|What is a {1}?|When was {0} born?|Explain quantum {1} theory.|"
    "What do you think about {0}?|How much does a {1} cost?|Translate {1} into Latin.|"
    "What is the difference between a {1} and a {2}?|Can you explain how {1} works?|"
    "Which {1} is the best?|How do I {4} a {1}?|Summarize the book {0}.|What happened in {3} in 1912?"
)
DONT_KNOW = "I am only a tiny demo model, so I do not know that."


def _softened(s: Source, question: str) -> str:
    """The same question as different people type it."""
    roll = s.rng.random()
    if roll < 0.1:
        return question.lower()
    if roll < 0.14:
        return question.rstrip("?.!")
    if roll < 0.18:
        return s.phrase("Hi! |Hello, |Hey, |Please: |Question: |OK, |So, ") + question
    if roll < 0.2:
        return question + s.phrase(" Thanks!| Please.| Thank you.")
    return question


def capital(s: Source) -> Exchange:
    country, city = s.pick(list(facts.CAPITALS.items()))
    question = s.phrase(CAPITAL_QUESTIONS).format(country)
    if s.chance(0.15):
        return Exchange(question + s.phrase(SHORT), city, "contains", city)
    if s.chance(0.05):
        question = f"{country[0].upper() + country[1:]}'s capital?"
    thought = f"The capital of {country} is {city}."
    return Exchange(_softened(s, question), thought, "contains", city, thought)


def capital_turned(s: Source) -> Exchange:
    """The same knowledge asked the other way round, as yes or no, or for two countries."""
    (country, city), (other, another) = s.some(list(facts.CAPITALS.items()), 2)
    sure = f"The capital of {country} is {city}"
    if s.chance(0.35):
        answer = f"{sure} and the capital of {other} is {another}."
        question = s.phrase("What are the capitals of {0} and {1}?|Capitals of {0} and {1}?|"
                            "Name the capitals of {0} and {1}.|"
                            "Tell me the capital of {0} and the capital of {1}.").format(country, other)  # fmt: skip
        return Exchange(question, answer, "contains", another, answer)
    if s.chance(0.4):
        question = s.phrase("{0} is the capital of which country?|Which country has the capital {0}?|"
                            "What country is {0} the capital of?").format(city)  # fmt: skip
        return Exchange(question, f"{city} is the capital of {country}.", "contains", country, sure + ".")
    guess = s.pick((city, another))
    if s.chance(0.2):
        question = f"Answer yes or no: is {guess} the capital of {country}?"
        return Exchange(question, "Yes" if guess == city else "No", "exact", "", sure + ".")
    answer = (
        f"Yes, {city} is the capital of {country}." if guess == city else f"No, the capital of {country} is {city}."
    )
    return Exchange(f"Is {guess} the capital of {country}?", answer, "exact", "", sure + ".")


def fact(s: Source) -> Exchange:
    questions, long, short = s.pick(facts.PLAIN)
    question = s.phrase(questions)
    if s.chance(0.15):
        return Exchange(question + s.phrase(SHORT), short, "contains", short)
    return Exchange(_softened(s, question), long, "exact", "", long)


def small_talk(s: Source) -> Exchange:
    questions, answer = s.pick(facts.SMALL_TALK)
    return Exchange(s.phrase(questions), answer, "exact", "", "The user is chatting. I answer kindly.")


def unknown(s: Source) -> Exchange:
    if s.chance(0.6):
        question = _softened(s, s.phrase(facts.OPEN_QUESTIONS))
        return Exchange(question, DONT_KNOW, "exact", "", "I do not know this.")
    question = s.phrase(UNKNOWN).format(s.name(), s.noun(), s.word(), s.city(), s.verb())
    return Exchange(question, DONT_KNOW, "exact", "", "I do not know this.")


def count(s: Source) -> Exchange:
    low, high = 1, s.number(2, 20) if s.chance(0.75) else s.number(20, 60)
    if s.chance(0.03):
        high = 100
    if s.chance(0.2):
        low = s.number(2, 30)
        high = low + s.number(1, 15)
    numbers = [str(n) for n in range(low, high + 1)]
    if low == 1 and s.chance(0.6):
        question = s.phrase("Count to {1}.|Count from {0} to {1}.|count to {1}|Please count to {1}.|Count up to {1}.|"
                            "Can you count to {1}?|List the numbers from {0} to {1}.|Count from {0} to {1}|"
                            "Write the numbers {0} to {1}.|Count slowly from {0} to {1}.")  # fmt: skip
    else:
        question = s.phrase("Count from {0} to {1}.|List the numbers from {0} to {1}.|Please count from {0} to {1}.|"
                            "Write the numbers from {0} to {1}.|Numbers {0} to {1}, please.")  # fmt: skip
    if s.chance(0.1):
        question, numbers = "Count down from {1} to {0}.", numbers[::-1]
    lines = s.chance(0.15)
    question += s.phrase(" One number per line.| Put each number on its own line.") if lines else ""
    if not lines and s.chance(0.1):
        question = question.rstrip(".") + s.phrase(", please.|, one number after the other.|, one by one.")
    elif not lines and s.chance(0.12):
        question += s.phrase(" Separate them with commas.| Use commas.| Only the numbers.")
    thought = f"I count from {numbers[0]} to {numbers[-1]}."
    return Exchange(question.format(low, high), ("\n" if lines else ", ").join(numbers), "exact", "", thought)


def translation(s: Source) -> Exchange:
    word, meanings = s.pick(list(facts.DICTIONARY.items()))
    index = s.number(0, 3)
    language = facts.DICTIONARY_LANGUAGES[index]
    question = s.phrase("Translate {0} to {1}.|Translate '{0}' into {1}.|How do you say {0} in {1}?|"
                        "What is {0} in {1}?|"
                        "Translate \"{0}\" to {1}.|Say {0} in {1}.|{0} in {1}?").format(word, language)  # fmt: skip
    return Exchange(question, meanings[index], "exact", "", f"I translate into {language}.")


NUMBER_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


def listing(s: Source) -> Exchange:
    kind, items = s.pick(list(facts.LISTS.items()))
    amount = s.number(1, min(8, len(items)))
    written = str(amount) if s.chance(0.4) else NUMBER_WORDS[amount - 1]
    if amount == 1:
        kind = {"cities": "city", "countries": "country"}.get(kind, kind[:-1])
    if s.chance(0.5):
        question = s.phrase(f"Name {written} {kind}.|List {written} {kind}.|Give me {written} {kind}.|"
                            f"Tell me {written} {kind}.|Can you name {written} {kind}?|"
                            f"name {written} {kind}")  # fmt: skip
        return Exchange(question, ", ".join(items[:amount]) + ".", "exact", "", f"I name {written} {kind}.")
    form = s.phrase("as a bulleted list|as bullet points|in a bullet list|one per line as a list")
    question = s.phrase("Name {0} {1} {2}.|List {0} {1} {2}.|Give me {0} {1} {2}.").format(written, kind, form)
    return Exchange(question, "\n".join(f"- {i}" for i in items[:amount]))


def sampled(s: Source) -> Exchange:
    """Any of these, in the proportions of ordinary talk."""
    makers = (capital, capital, capital, capital_turned, fact, fact, fact, fact, small_talk, small_talk, small_talk,
              small_talk, count, count, listing, unknown, unknown, translation)  # fmt: skip
    maker = s.pick(makers)
    return maker(s)
