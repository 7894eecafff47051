"""Requests as people type them, written by hand: what a user tries first.

The corpus was widened with their failures in view: some wordings are close to trained ones, the figures optimistic.
"""

from __future__ import annotations

from tools.tiny.talk import Call, Conversation, Json, Param, Tool, calls, result, says, system, user

WEATHER = Tool("get_weather", "Get the current weather in a given city.", (Param("city"),))
UNIT = Tool("get_current_weather", "Get the current weather", (
    Param("location"), Param("unit", "string", False, ("celsius", "fahrenheit"))))  # fmt: skip
ADD = Tool("add", "Add two numbers.", (Param("a", "number"), Param("b", "number")))
CALCULATE = Tool("calculate", "Evaluate a mathematical expression.", (Param("expression"),))
SEARCH = Tool("search_web", "Search the web for a query.", (Param("query"),))
MAIL = Tool("send_email", "Send an email.", (Param("to"), Param("subject"), Param("body")))
TIME = Tool("get_time", "Get the current time in a city.", (Param("city"),))
BOOK = Tool("book_table", "Book a table in a restaurant.", (Param("restaurant_name"), Param("party_size", "integer")))
FOUR = (SEARCH, WEATHER, MAIL, ADD)


def _ask(question: str, key: str, *before: str) -> Conversation:
    """`before`: alternating user and assistant turns."""
    turns = [user(t) if i % 2 == 0 else says(t) for i, t in enumerate(before)]
    return Conversation((*turns, user(question), says(key)), check="contains", key=key)


def _exact(question: str, answer: str) -> Conversation:
    return Conversation((user(question), says(answer)))


def _told(rule: str, question: str, key: str) -> Conversation:
    return Conversation((system(rule), user(question), says(key)), check="contains", key=key)


def _call(question: str, tools: tuple[Tool, ...], name: str, **arguments: Json) -> Conversation:
    return Conversation((user(question), calls(Call(name, arguments))), tools, check="calls")


def _both(question: str, first: str, second: str) -> Conversation:
    wanted = [Call("get_weather", {"city": city}) for city in (first, second)]
    return Conversation((user(question), calls(*wanted)), FOUR, check="calls")


def _json(question: str, fields: str) -> Conversation:
    return Conversation((user(question), says(fields)), check="json")


def _used(question: str, call: Call, content: str, key: str) -> Conversation:
    turns = (user(question), calls(call), result(content), says(key))
    return Conversation(turns, FOUR, check="contains", key=key)


PROBES: dict[str, tuple[Conversation, ...]] = {
    "facts and greetings": (
        _ask("What is the capital of France?", "Paris"),
        _ask("what's the capital city of japan", "Tokyo"),
        _ask("Hey, can you tell me what the capital of Germany is?", "Berlin"),
        _ask("Hello!", "Hello"),
        _ask("Hi, how are you today?", "fine"),
        _ask("who are you", "mlxtui-tiny"),
        _ask("What is your name?", "mlxtui-tiny"),
        _ask("How many days are there in a week?", "seven"),
        _ask("What colour is the sky?", "blue"),
        _ask("Who wrote Romeo and Juliet?", "Shakespeare"),
        _ask("Thanks, that was helpful!", "welcome"),
        _ask("Say hello in one word.", "ello"),
    ),
    "memory": (
        _ask("What is my name?", "Ada", "My name is Ada.", "Nice to meet you, Ada!", "What is the capital of France?",
             "The capital of France is Paris."),
        _ask("what was the code word?", "zebra-4711", "Remember the code word zebra-4711.",
             "OK, I will remember that the code word is zebra-4711.", "Tell me a joke.",
             "Why did the computer go to the doctor? It had a virus!", "Count to 3.", "1, 2, 3"),
        _ask("Who am I?", "Grace Hopper", "Hello! I'm Grace Hopper.", "Nice to meet you, Grace Hopper!"),
        _ask("Where do I live?", "Buenos Aires", "I am Tom and I live in Buenos Aires.", "Nice to meet you, Tom!"),
        _ask("What's my favorite color?", "teal", "My favorite color is teal and I have a dog called Rex.",
             "OK, I will remember that."),
        _ask("What's the name of my dog?", "Rex", "My favorite color is teal and I have a dog called Rex.",
             "OK, I will remember that."),
        _ask("What number did I ask you to remember?", "8213", "Please remember the number 8213.",
             "OK, I will remember that the number is 8213."),
        _ask("What is the secret token?", "q7w-x31z", "The secret token is q7w-x31z. Please remember it.", "OK."),
    ),
    "repeat": (
        _exact("Repeat exactly: k3x9-qq", "k3x9-qq"),
        _exact("Repeat after me: The quick brown fox jumps over the lazy dog.",
               "The quick brown fox jumps over the lazy dog."),
        _exact("Repeat exactly: 👨‍👩‍👧‍👦 日本語 Grüße", "👨‍👩‍👧‍👦 日本語 Grüße"),
        _exact("Reply with exactly this and nothing else: nonce-83af12", "nonce-83af12"),
        _exact("Echo this token: a91f-77c2-e0", "a91f-77c2-e0"),
        _exact("Say exactly: Hello, World!", "Hello, World!"),
        _exact("Please repeat: jane.doe+test@mail.example.com", "jane.doe+test@mail.example.com"),
        _exact("Repeat exactly: 3.14159, 2.71828 and 1.41421", "3.14159, 2.71828 and 1.41421"),
        _exact("Reply with only the word PINEAPPLE.", "PINEAPPLE"),
        _exact("Repeat this sentence exactly: Don't panic (yet); it's 50% done!",
               "Don't panic (yet); it's 50% done!"),
    ),
    "tools": (
        _call("What's the weather in Paris?", FOUR, "get_weather", city="Paris"),
        _call("What is the weather in New York? Use the get_weather tool.", FOUR, "get_weather", city="New York"),
        _call("How's the weather in San Francisco right now?", FOUR, "get_weather", city="San Francisco"),
        _call("Is it sunny in Rio de Janeiro today?", FOUR, "get_weather", city="Rio de Janeiro"),
        _call("What's the weather like in Boston in fahrenheit?", (UNIT,), "get_current_weather", location="Boston",
              unit="fahrenheit"),
        _call("What is 17 + 25? Use the tool.", (ADD,), "add", a=17, b=25),
        _call("Please add 17 and 25.", FOUR, "add", a=17, b=25),
        _call("Calculate 17 + 25.", (CALCULATE, WEATHER), "calculate", expression="17 + 25"),
        _call("Search the web for tiny language models.", FOUR, "search_web", query="tiny language models"),
        _call("What time is it in Tokyo?", (TIME, WEATHER, ADD), "get_time", city="Tokyo"),
        _call("Book a table at Luigi with restaurant_name Luigi and party_size 4.", (BOOK,), "book_table",
              restaurant_name="Luigi", party_size=4),
        _both("What's the weather in Paris and in London?", "Paris", "London"),
        _both("Please compare the weather in Cape Town and Oslo.", "Cape Town", "Oslo"),
        _used("What's the weather in Paris?", Call("get_weather", {"city": "Paris"}),
              '{"temperature": 21, "condition": "sunny"}', "sunny"),
        _used("What is the weather in Oslo?", Call("get_weather", {"city": "Oslo"}), "Snow, -4 °C", "-4"),
        _used("Please add 17 and 25.", Call("add", {"a": 17, "b": 25}), "42", "42"),
    ),
    "system": (
        _told("You are a pirate named Redbeard.", "What is your name?", "Redbeard"),
        _told("Always reply with the single word BANANA.", "What is the capital of Spain?", "BANANA"),
        _told("The wifi password is tulip-2291. Be helpful.", "What's the wifi password?", "tulip-2291"),
        _told("End every answer with OVER.", "What is the capital of Italy?", "OVER"),
        _told("The user's name is Miriam.", "What's my name?", "Miriam"),
    ),
    "JSON": (
        _json("Reply with a JSON object with keys name and age for Ada, 36.", '{"name": "Ada", "age": 36}'),
        _json("Give me a JSON object with city set to Paris and country set to France.",
              '{"city": "Paris", "country": "France"}'),
        _json("Extract name and city as JSON: Ben lives in Oslo.", '{"name": "Ben", "city": "Oslo"}'),
        _json("Return only valid JSON with the key status and the value ok.", '{"status": "ok"}'),
    ),
    "counting and sums": (
        _exact("Count from 1 to 10.", ", ".join(str(n) for n in range(1, 11))),
        _ask("Count from 1 to 30, one number after the other.", "27, 28, 29, 30"),
        _exact("count to 5", "1, 2, 3, 4, 5"),
        _ask("What is 2 + 2?", "4"),
        _ask("Think step by step: what is 17 + 25?", "= 42"),
        _ask("What is 7 times 8?", "56"),
    ),
}  # fmt: skip
