"""Word lists of the corpus. Plain data: every list is split by hash in `source.py`, so that a tenth
of the names, cities and words is never trained on and stays for the evaluation."""
# ruff: noqa: SIM905 (word lists read better as text)

NAMES = (
    "Ada Alan Alice Amir Ana Anna Anton Aria Arjun Ben Bianca Bob Bruno Carla Carlos Chen Chloe Clara "
    "Dan Daniel David Deepa Diego Dora Dylan Elena Eli Ella Emil Emma Erik Eva Fatima Felix Finn Frank "
    "Fred Grace Greta Hana Hannah Harry Hugo Ida Igor Ines Iris Isaac Ivan Jack Jakob James Jan Jane "
    "Jonas Jose Julia Kai Karen Kate Kenji Kim Lara Lars Laura Lea Leo Liam Lila Lina Linus Lisa Lucas "
    "Lucy Luis Mara Marco Maria Marie Mark Marta Mary Max Maya Mei Mia Mila Mina Mohamed Nadia Nina Noah "
    "Nora Olga Oliver Omar Oscar Otto Paul Pedro Peter Petra Pia Priya Rosa Ruth Sam Samir Sara Sarah "
    "Sofia Sonja Sophie Stella Sven Tara Theo Thomas Tim Tina Tom Uma Vera Victor Wei Yara Yuki Zara Zoe"
).split()

SURNAMES = (
    "Adams Baker Bell Berg Brown Chen Clark Cruz Diaz Evans Fischer Garcia Gray Hall Hopper Ito Jones "
    "Khan King Klein Kumar Lee Lopez Lovelace Martin Meyer Miller Moore Nguyen Novak Park Patel Reed "
    "Rossi Sato Schmidt Silva Singh Smith Stone Tanaka Taylor Turing Walker Weber White Wilson Wong Young"
).split()

CITIES = (
    "Paris|London|Berlin|Rome|Madrid|Lisbon|Vienna|Prague|Warsaw|Athens|Dublin|Oslo|Stockholm|Helsinki|"
    "Copenhagen|Brussels|Amsterdam|Zurich|Geneva|Munich|Hamburg|Cologne|Milan|Naples|Turin|Venice|"
    "Barcelona|Seville|Porto|Lyon|Nice|Marseille|Budapest|Sofia|Belgrade|Kyiv|Riga|Vilnius|Tallinn|"
    "Tokyo|Osaka|Kyoto|Seoul|Busan|Beijing|Shanghai|Shenzhen|Taipei|Bangkok|Hanoi|Jakarta|Manila|"
    "Singapore|Mumbai|Delhi|Chennai|Karachi|Dhaka|Dubai|Doha|Tehran|Baghdad|Istanbul|Ankara|Cairo|Lagos|"
    "Nairobi|Accra|Tunis|Casablanca|Dakar|Sydney|Melbourne|Perth|Brisbane|Auckland|Wellington|Toronto|"
    "Montreal|Vancouver|Ottawa|Chicago|Boston|Seattle|Denver|Dallas|Houston|Austin|Miami|Atlanta|"
    "Portland|Phoenix|Detroit|Havana|Lima|Quito|Bogota|Santiago|Caracas|Montevideo|Reykjavik|Edinburgh|"
    "Glasgow|Manchester|Liverpool|Oxford|Cambridge|Bristol|Leeds|Salzburg|Graz|Basel|Bern|Krakow|Gdansk|"
    "New York|Los Angeles|San Francisco|San Diego|Las Vegas|New Orleans|Salt Lake City|Kansas City|"
    "Cape Town|Buenos Aires|Rio de Janeiro|Sao Paulo|Mexico City|Hong Kong|Kuala Lumpur|Tel Aviv|"
    "Abu Dhabi|Addis Ababa|Ho Chi Minh City|New Delhi|St. Petersburg|Santa Cruz|Monte Carlo|"
    "San Jose|Panama City|Port Louis|Den Haag|Bad Homburg|Quebec City|Washington, D.C.|"
    "Zürich|München|Köln|Düsseldorf|Nürnberg|São Paulo|Málaga|Kraków|Malmö|Tromsø|Reykjavík|Bogotá"
).split("|")

NOUNS = (
    "apple anchor apron arrow badge bag ball banana barn basket beach bean bear bell berry bike bird boat "
    "book boot bottle bowl box bread brick bridge broom brush bucket button cabin cake camera candle car "
    "card carpet castle cat chair cheese cherry clock cloud coat coffee coin cookie corn cow crab crown cup "
    "curtain daisy desk dice dog donkey door dragon drawer dress drum duck eagle egg engine falcon farm "
    "feather fence field fire fish flag flower flute forest fork fox frog garden gate ghost giraffe glass "
    "glove goat gold goose grape guitar hammer hat hawk hill honey horse house island jacket jar jungle "
    "kettle key kite kitten knife ladder lake lamp leaf lemon letter lion lizard lock mango map maple "
    "marble mask meadow melon mirror monkey moon mountain mouse mug needle nest night notebook ocean olive "
    "onion orange otter owl paint panda paper parrot peach pear pen pencil pepper piano pillow pine planet "
    "plate plum pocket pond potato puzzle rabbit radio rain river road robot rock rocket roof rope rose "
    "sail salt sand scarf school sea seed sheep ship shoe silver snail snow soap sock spoon squirrel star "
    "stone storm stove sugar sun swan sword table tea tent thunder tiger toast tomato tower train tree "
    "truck trumpet turtle umbrella valley vase violin wagon wall water whale wheel wind window wolf wood "
    "yarn zebra"
).split()

ADJECTIVES = (
    "old young big small tiny red blue green yellow white black brown quiet loud happy sad brave calm "
    "clever cold warm dark bright dry early easy fast slow fresh gentle golden good hard heavy high hollow "
    "kind late lazy light long lucky new nice proud quick rich rough round sharp short shy silver simple "
    "sleepy smooth soft strong sweet tall thick thin tired wet wide wild wise"
).split()

VERBS = (
    "add ask bake bring build buy call carry catch check clean climb close cook count create cut dance "
    "delete draw drink drive drop eat fetch fill find fix fly follow get give grow help hide hold jump keep "
    "learn leave lift list look make meet move open order paint pay plan play pull push put read remove "
    "rent reset ride ring run save search see sell send set show sing sit sleep start stop swim take talk "
    "test throw track turn update use visit wait walk wash watch water work write"
).split()

FUNCTION_WORDS = (
    "the the the a a an and and or but of of to to in in on at is is are was it it I you he she we they this that "
    "with for from by as be have has not no all my your his her our over under into about then when who what very "
    "so if can will would do does did me him them there here now just only one two don't it's I'm can't you're we'll "
    "isn't that's let's won't The A It This You We I He She"
).split()
COLOURS = "red blue green yellow orange purple pink black white brown grey teal violet gold".split()
ANIMALS = "dog cat fox bear rabbit horse owl mouse turtle duck lion tiger wolf frog goat hen".split()
FRUITS = "apple banana cherry grape lemon mango melon orange peach pear plum".split()
FOODS = "pizza soup bread rice pasta salad cheese sushi curry cake noodles pancakes".split()
JOBS = "teacher nurse baker pilot farmer doctor painter driver singer writer engineer chef".split()
LANGUAGES = "English German French Spanish Italian Portuguese Japanese Polish Dutch Swedish".split()
MONTHS = ("January February March April May June July August September October November December").split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
CURRENCIES = "USD EUR GBP JPY CHF SEK CAD AUD INR BRL PLN".split()
DOMAINS = "example.com example.org mail.net test.io acme.dev post.de web.info".split()

UNICODE_WORDS = (
    "Zürich München Köln Straße Größe Übung schön grüßen Café naïve résumé jalapeño señor façade Øresund "
    "Łódź Škoda smörgås crème brûlée déjà vu piñata Ærø Ñandú Привет мир Москва да нет спасибо γειά καλά "
    "שלום مرحبا नमस्ते สวัสดี 你好 世界 東京 大阪 日本語 中文 こんにちは ありがとう 안녕하세요 서울 北京 上海"
).split()

EMOJI = (
    "😀 😂 🙂 😍 😎 🤔 😢 👍 👋 🙏 🎉 🔥 ✨ ⭐ ❤️ 🚀 🌍 🌈 🐍 🦊 🐱 🐶 🍎 🍕 ☕ ⚡ ✅ ❌ 🧠 💡 📦 🎈 🥳 🤖 👨‍👩‍👧 👩‍💻 "
    "🧑‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 👩🏽‍🔬 👍🏽 🇫🇷 🇩🇪 🇯🇵 🇺🇸 ☀️ ❄️ 🌧️ 🎵 🐘"
).split()
