"""The well-known tools and how people ask for them. Plain data: options are `|`-separated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tools.tiny import words
from tools.tiny.source import Source
from tools.tiny.talk import Json

Maker: TypeAlias = Callable[[Source], Json]


@dataclass(frozen=True, slots=True)
class Known:
    """`names`, `asks` are `|`-separated; `slots` make the arguments; `{param}` in asks is replaced."""

    names: str
    description: str
    slots: tuple[tuple[str, str, Maker], ...]
    asks: str
    doubles: str = ""
    """How two requests are asked at once, with {a} and {b} for the first argument."""


def _count(low: int, high: int) -> Maker:
    return lambda s: s.number(low, high)


def _choice(options: str) -> Maker:
    return lambda s: s.phrase(options)


def _listed(items: list[str]) -> Maker:
    return lambda s: s.pick(items)


def _amount(s: Source) -> Json:
    return s.number(1, 99) if s.chance(0.6) else s.number(100, 5000)


def _words(low: int, high: int) -> Maker:
    return lambda s: " ".join(s.word() for _ in range(s.number(low, high)))


def _expression(s: Source) -> Json:
    return f"{_amount(s)} {s.phrase('+|-|*|/')} {_amount(s)}"


def _task(s: Source) -> Json:
    return f"{s.verb()} the {s.noun()}"


def _file(s: Source) -> Json:
    return f"{s.word()}.{s.phrase('txt|py|md|json')}"


def _path(s: Source) -> Json:
    return s.phrase("|src/|/tmp/|docs/") + str(_file(s))


def _command(s: Source) -> Json:
    if s.chance(0.3):
        return s.phrase("ls|pwd|ls -la|git status|date|whoami")
    return f"{s.phrase('cat|ls|python|rm|mkdir|echo|grep')} {s.word()}{s.phrase('|.py|.txt')}"


def _ticker(s: Source) -> Json:
    return s.invented()[:5].upper()


def _song(s: Source) -> Json:
    return f"{s.word()} {s.word()}".title() if s.chance(0.5) else s.word()


def _room(s: Source) -> Json:
    return s.phrase("kitchen|bedroom|bathroom|hall|office") if s.chance(0.6) else s.invented()


def _country(s: Source) -> Json:
    return s.invented().capitalize()


WEATHER = Known(
    "get_weather|get_weather|get_weather|get_current_weather|weather|fetch_weather|weather_lookup",
    "Get the weather|Get the current weather|Get the weather for a city|Get weather for a location|"
    "Get the current weather in a given location|Returns the weather|",
    (("city|city|location|location|place|city_name", "string", Source.city),),
    "What is the weather in {0}?|What is the weather in {0}?|What's the weather in {0}?|what is the weather in {0}?|"
    "weather in {0}|Weather in {0}?|"
    "How is the weather in {0}?|How's the weather in {0} today?|What is the weather like in {0}?|"
    "What's the weather like in {0}?|Is it raining in {0}?|"
    "Tell me the weather in {0}.|Is it cold in {0}?|Get the weather for {0}.|What's the weather like in {0} today?|"
    "Please check the weather in {0}.|Will it rain in {0} today?|Do I need an umbrella in {0}?|How warm is it in {0}?|"
    "What is the current weather in {0}?|What is the temperature in {0}?|I am in {0}. How is the weather?|"
    "Use the tool to get the weather in {0}.|Call {tool} for {0}.|Check the weather for {0}|Weather for {0} please|"
    "What's the weather in {0} right now?|How is the weather in {0} right now?|"
    "What's the weather in {0} at the moment?|"
    "Is it sunny in {0} today?|Is it sunny in {0}?|What will the weather be in {0} tomorrow?|"
    "Could you tell me the weather in {0}?|Can you check the weather in {0} for me?|"
    "Show me the weather for {0}, please.|"
    "How's the weather in {0}?|I want to know the weather in {0}.|I need the weather in {0} now.",
    "What is the weather in {a} and {b}?|What's the weather in {a} and in {b}?|Compare the weather in {a} and {b}.|"
    "Weather in {a} and {b}?|How is the weather in {a} and {b}?|Get the weather for {a} and {b}.|"
    "Check the weather in both {a} and {b}.|Tell me the weather in {a} and {b}.|"
    "What is the weather like in {a} and in {b}?|Please compare the weather in {a} and {b}.|"
    "What's the weather in {a} and {b} right now?|Is it warmer in {a} or {b}?|Weather for {a} and {b}, please.",
)

WEATHER_UNIT = Known(
    "get_weather|get_current_weather|get_forecast", WEATHER.description,
    (("location|city", "string", Source.city),
     ("unit|units", "celsius|fahrenheit", _choice("celsius|fahrenheit"))),
    "What is the weather in {0} in {1}?|Weather in {0}, in {1} please.|How warm is it in {0}? Use {1}.|"
    "Tell me the temperature in {0} in {1}.|What's the weather like in {0}? Please use {1}.|"
    "Get the weather for {0} in {1}.",
)  # fmt: skip

KNOWN: tuple[Known, ...] = (
    Known("add|add|add_numbers|sum|plus|add_two_numbers", "Add two numbers|Adds two integers|Add a and b|",
          (("a|x|first|num1", "number|integer", _amount), ("b|y|second|num2", "number|integer", _amount)),
          "What is {0} + {1}?|What is {0} plus {1}?|Add {0} and {1}.|add {0} and {1}|Calculate {0} + {1}.|"
          "How much is {0} + {1}?|"
          "Please add {0} and {1}.|{0} + {1}|Compute {0} + {1}.|What's {0} + {1}?|What is the sum of {0} and {1}?|"
          "Use the tool to add {0} and {1}."),
    Known("multiply|multiply_numbers|times", "Multiply two numbers|Multiplies a and b|",
          (("a|x|first", "number|integer", _amount), ("b|y|second", "number|integer", _amount)),
          "What is {0} * {1}?|What is {0} times {1}?|Multiply {0} by {1}.|Multiply {0} and {1}.|"
          "Calculate {0} * {1}.|Compute {0} times {1}."),
    Known("calculate|calculator|calc|evaluate|compute",
          "Evaluate an arithmetic expression|Calculate an expression|Do math|A calculator|",
          (("expression|expr|formula|input", "string",
            _expression),),
          "What is {0}?|Calculate {0}.|calculate {0}|Compute {0}.|How much is {0}?|What's {0}?|"
          "Please calculate {0}.|Evaluate {0}.|Calculate {0}|"
          "Use the calculator to compute {0}."),
    Known("get_time|get_current_time|current_time|time_in_city|get_local_time",
          "Get the current time|Get the time in a city|Returns the local time|",
          (("city|location|place|timezone", "string", Source.city),),
          "What time is it in {0}?|What's the time in {0}?|what time is it in {0}?|Tell me the time in {0}.|"
          "Current time in {0}?|Time in {0}?|"
          "What is the local time in {0}?|What is the current time in {0}?",
          "What time is it in {a} and {b}?|Tell me the time in {a} and in {b}."),
    Known("search|web_search|search_web|google|find_info|lookup",
          "Search the web|Search for information|Look something up|",
          (("query|q|search_query|term", "string", _words(1, 3)),),
          "Search for {0}.|Search the web for {0}.|Look up {0}.|Find information about {0}.|search {0}|"
          "Search for {0}|Please search for {0}.|Google {0}.",
          "Search for {a} and for {b}.|Look up {a} and {b}."),
    Known("send_email|email|send_mail", "Send an email|Send an email to a person|",
          (("to|recipient|address", "string", Source.email), ("subject|title", "string", Source.word),
           ("body|message|text", "string", _words(2, 4))),
          'Send an email to {0} with subject {1} and text "{2}".|Email {0}, subject {1}, saying: {2}|'
          "Write an email to {0} with the subject {1} and the body {2}.|Send a mail to {0} about {1}: {2}"),
    Known("send_message|message_user|text|notify", "Send a message|Send a text message|",
          (("to|recipient|user|name", "string", Source.name), ("message|text|content", "string", _words(2, 4))),
          "Send {0} the message: {1}|Tell {0}: {1}|Send a message to {0}: {1}|Text {0}: {1}|Message {0} and say {1}"),
    Known("convert_currency|exchange|currency_convert",
          "Convert money between currencies|Convert an amount from one currency to another|",
          (("amount|value", "number|integer", _amount),
           ("from|from_currency|source", "string", _listed(words.CURRENCIES)),
           ("to|to_currency|target", "string", _listed(words.CURRENCIES))),
          "Convert {0} {1} to {2}.|How much is {0} {1} in {2}?|Exchange {0} {1} into {2}.|convert {0} {1} to {2}|"
          "What are {0} {1} in {2}?"),
    Known("translate|translate_text|translator", "Translate a text|Translate text into another language|",
          (("text|phrase|input", "string", Source.word),
           ("language|target_language|to", "string", _listed(words.LANGUAGES))),
          "Translate {0} into {1}.|Translate {0} to {1}.|How do you say {0} in {1}?|What is {0} in {1}?|"
          "translate {0} to {1}"),
    Known("set_timer|start_timer|timer", "Set a timer|Start a timer|",
          (("minutes|duration|mins", "integer|number", _count(1, 90)),),
          "Set a timer for {0} minutes.|Start a timer of {0} minutes.|Timer for {0} minutes.|"
          "Wake me in {0} minutes.|Set a {0} minute timer."),
    Known("set_reminder|remind|create_reminder", "Create a reminder|Set a reminder|",
          (("text|task|title", "string", _task), ("time|at|when", "string", Source.time)),
          "Remind me to {0} at {1}.|Set a reminder to {0} at {1}.|At {1} remind me to {0}.|"
          "Please remind me at {1} to {0}."),
    Known("read_file|open_file|cat_file|view_file", "Read a file|Read the contents of a file|",
          (("path|file_path|filename|file", "string", _path),),
          "Read the file {0}.|Open {0}.|Show me {0}.|What is in {0}?|Read {0}|Please read {0}.|Show the file {0}."),
    Known("write_file|save_file|create_file", "Write a file|Write text to a file|",
          (("path|file_path|filename", "string", _file), ("content|text|contents", "string", Source.sentence)),
          'Write "{1}" to {0}.|Save the text "{1}" as {0}.|Create {0} with the content "{1}".|Put "{1}" into {0}.'),
    Known("run_shell|shell|bash|run_command|exec_command|execute",
          "Run a shell command|Runs a command in a shell|Execute a command|",
          (("command|cmd|command_line", "string", _command),),
          "Run {0}.|Run the command {0}.|Execute {0}.|run {0}|Run `{0}`.|Please run the command {0}.|"
          "Execute the command `{0}`."),
    Known("get_stock_price|stock_price|get_quote", "Get a stock price|Get the current price of a stock|",
          (("symbol|ticker|company", "string", _ticker),),
          "What is the stock price of {0}?|How much is {0}?|Price of {0}?|Get the stock price for {0}.|"
          "What is {0} trading at?",
          "What are the stock prices of {a} and {b}?|Get the stock price for {a} and {b}."),
    Known("play_music|play_song|play", "Play music|Play a song|",
          (("song|title|track", "string", _song),),
          "Play {0}.|Play the song {0}.|I want to hear {0}.|Please play {0}.|Put on {0}."),
    Known("book_flight|find_flights|search_flights", "Book a flight|Find flights|",
          (("origin|from_city|departure", "string", Source.city),
           ("destination|to_city|arrival", "string", Source.city), ("date|day", "string", Source.date)),
          "Book a flight from {0} to {1} on {2}.|Find flights from {0} to {1} on {2}.|"
          "I want to fly from {0} to {1} on {2}."),
    Known("turn_on_light|set_light|switch_light|light", "Switch a light|Control the lights|",
          (("room|location|place", "string", _room), ("state|status|mode", "on|off", _choice("on|off"))),
          "Turn {1} the light in the {0}.|Switch {1} the {0} light.|Turn the {0} light {1}.|"
          "Please switch the light in the {0} {1}."),
    Known("get_user|find_user|get_customer|lookup_user", "Get a user by id|Look up a user|",
          (("user_id|id|customer_id", "integer|string", _count(1, 9999)),),
          "Get user {0}.|Look up user {0}.|Find the user with id {0}.|Who is user {0}?|Show me user {0}.",
          "Get the users {a} and {b}.|Look up user {a} and user {b}."),
    Known("create_event|add_event|schedule_meeting", "Create a calendar event|Add an event to the calendar|",
          (("title|name|summary", "string", _words(2, 2)), ("date|day", "string", Source.date),
           ("time|start|start_time", "string", Source.time)),
          "Create an event {0} on {1} at {2}.|Add {0} to my calendar on {1} at {2}.|Schedule {0} on {1} at {2}."),
    Known("roll_dice|roll|dice", "Roll dice|Roll a dice|", (("sides|faces|max", "integer|number", _count(2, 100)),),
          "Roll a dice with {0} sides.|Roll a {0} sided dice.|Throw a dice with {0} sides.|Roll a d{0}."),
    Known("get_capital|capital|country_capital", "Get the capital of a country|",
          (("country|country_name", "string", _country),),
          "Use the tool to find the capital of {0}.|Look up the capital of {0}.|"
          "Find the capital of {0} with the tool."),
    Known("ping|get_status|status|list_files|get_date|now", "Check the status|List the files|No arguments|", (),
          "Call {tool}.|Use the {tool} tool.|Please call {tool}.|Run {tool} now.|Use {tool}."),
)  # fmt: skip
