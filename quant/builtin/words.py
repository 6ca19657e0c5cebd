"""Words that fill the corpus: names, places, things, and the small grammar of the templates."""

# ruff: noqa: SIM905

from __future__ import annotations

import json
import random
import re
from functools import cache
from pathlib import Path

from heldout_names import HELD_OUT

GIVEN = (
    "Anna Ben Carla David Elena Felix Grace Hugo Irene Jonas Karen Leo Maria Nora Oscar Paula "
    "Quinn Robert Sara Tom Ursula Victor Wendy Xavier Yara Zoe Ahmed Aisha Chen Li Wei Mei Hiro "
    "Yuki Sven Lars Olga Ivan Pedro Lucia Juan Jose Marta Pablo Fatima Omar Layla Ravi Anjali "
    "Arjun Sunita Kwame Ama Kofi Zuri Amara Chidi Emeka Ingrid Bjorn Freya Astrid Liam Emma Noah "
    "Olivia James Sophia Lucas Mia Henry Alice Jack Lily George Ella Peter Hannah Simon Clara "
    "Martin Eva Thomas Julia Daniel Laura Michael Sandra Andrew Linda Paul Susan Mark Nancy Steve "
    "Betty Kevin Helen Brian Donna Frank Ruth Gary Sharon Larry Carol Scott Amy Eric Angela Jason "
    "Rachel Ryan Kate Adam Diana Nathan Rose Kyle Dora Ethan Ivy Aaron Nina Dylan Vera Sean Tara "
    "Jorge Rosa Diego Elsa Marco Gina Luca Sofia Matteo Chiara Pierre Claire Louis Manon Jean "
    "Camille Antoine Hans Greta Klaus Heidi Fritz Ute Jan Katja Piotr Ewa Milan Jana Tomas Petra "
    "Dmitri Irina Sergei Tanya Kenji Sakura Takeshi Naomi Minh Linh Somchai Nari Jin Hana Tariq "
    "Samira Hassan Nadia Yusuf Zainab Ali Leila Deniz Emre Ayse Mehmet Avi Noa Eitan Talia Kai"
).split()
CITIES = (
    "Paris London Berlin Madrid Rome Vienna Prague Warsaw Dublin Athens Oslo Helsinki Stockholm "
    "Copenhagen Amsterdam Brussels Lisbon Zurich Geneva Milan Munich Hamburg Barcelona Valencia "
    "Porto Lyon Nice Marseille Krakow Budapest Bucharest Sofia Belgrade Zagreb Istanbul Ankara "
    "Cairo Tunis Casablanca Lagos Accra Nairobi Kampala Dakar Johannesburg Delhi Mumbai Chennai "
    "Kolkata Karachi Lahore Dhaka Bangkok Hanoi Manila Jakarta Singapore Tokyo Osaka Kyoto Seoul "
    "Busan Beijing Shanghai Taipei Sydney Melbourne Perth Auckland Wellington Toronto Montreal "
    "Vancouver Boston Chicago Denver Seattle Portland Dallas Houston Miami Atlanta Phoenix Havana "
    "Lima Bogota Quito Santiago Caracas Brasilia Recife Montevideo Asuncion"
).split()
COUNTRIES = (
    "France Spain Italy Germany Poland Norway Sweden Finland Denmark Portugal Greece Turkey Egypt "
    "Kenya Nigeria Ghana India China Japan Korea Vietnam Thailand Indonesia Australia Canada "
    "Mexico Brazil Argentina Chile Peru Colombia Cuba Iceland Ireland Scotland Austria Hungary "
    "Mongolia Nepal Bolivia Uganda Morocco Romania Ukraine Croatia Malta Jordan"
).split()
COLOURS = (
    "red blue green yellow orange purple pink brown black white grey turquoise teal violet indigo "
    "crimson gold silver beige cyan magenta maroon olive navy scarlet lavender"
).split()
ANIMALS = (
    "cat dog rabbit hamster parrot horse goat turtle lizard goldfish ferret canary snake pony hen "
    "gecko otter owl fox badger donkey sheep duck goose llama"
).split()
FOODS = (
    "pizza sushi pasta ramen curry tacos soup salad paella falafel pancakes lasagna noodles rice "
    "bread cheese chocolate dumplings stew burgers risotto waffles porridge omelette"
).split()
ROOMS = (
    "kitchen|bedroom|bathroom|hallway|garage|office|attic|cellar|garden|balcony|nursery|library|"
    "workshop|pantry|porch|laundry|living room|dining room|guest room|server room"
).split("|")
JOBS = (
    "nurse teacher baker welder pilot farmer lawyer doctor plumber carpenter painter gardener "
    "engineer librarian chemist tailor mechanic electrician waiter cook translator musician"
).split()
THINGS = (
    "milk eggs bread batteries coffee lamp table ladder hammer notebook kettle bicycle umbrella "
    "printer camera keyboard monitor cable sensor router drill bucket blanket pillow mirror vase "
    "flour sugar apples pears onions candles soap screws paint rope tape gloves boots helmet tent"
).split()
DEVICES = (
    "Raspberry Pi 4|Raspberry Pi 5|Jetson Orin Nano|Jetson AGX Orin|Jetson AGX Thor|N100 mini PC|"
    "MacBook Air|Mac mini|Orange Pi 5|Rock 5B|Strix Halo box|old laptop|ThinkPad|gaming PC"
).split("|")
LANGUAGES = (
    "French German Spanish Italian Portuguese Dutch Swedish Polish Turkish Arabic Hindi Japanese "
    "Korean Greek Finnish Czech Danish Hungarian"
).split()
DAYS = ("Monday Tuesday Wednesday Thursday Friday Saturday Sunday today tomorrow").split()
MONTHS = (
    "January February March April May June July August September October November December"
).split()
ONSETS = [
    *[""] * 4,
    *"b c d f g h j k l m n p r s t v w y z br ch cr dr fr gr kr pr sh st th tr bl cl fl gl pl sl "
    "kh zh ph sk sp sw tw qu ng mb nd ts hj kj".split(),
]
VOWELS = ("a e i o u a e i o u ai ei oa ou ia ie io ea ee oo ue au y").split()
CODAS = ["", "", "", "", *"n r l s m t k d x th sh ng nd rt lt ck ll ss".split()]
INNER = re.compile(r"\(([^()]*)\)")
HELD = {name.lower() for name in HELD_OUT}


def expand(rng: random.Random, text: str) -> str:
    """Replace each `(a|b|c)` of a template, innermost first, by one of its alternatives."""
    while "(" in text:
        text = INNER.sub(lambda match: rng.choice(match[1].split("|")), text)
    return re.sub(r" +", " ", text).strip()


def syllable(rng: random.Random) -> str:
    """One pronounceable syllable."""
    return rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)


@cache
def pieces() -> list[str]:
    """The lower-case pieces of the tokenizer, if there is one yet: words of them use it all."""
    file = Path(__file__).with_name("tokenizer.json")
    if not file.exists():
        return []
    vocabulary = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    return [text for text in vocabulary if re.fullmatch("[a-z]{1,6}", text)]


def invented(rng: random.Random, most: int = 4) -> str:
    """A capitalised word that was never a list entry: one to `most` syllables or pieces."""
    while True:
        known = pieces() if rng.random() < 0.4 else []
        count = range(rng.randint(1, most))
        word = "".join(rng.choice(known) if known else syllable(rng) for _ in count)
        if 3 <= len(word) <= 13 and word not in HELD:
            return word.capitalize()


def name(rng: random.Random) -> str:
    """A person's name: mostly invented, sometimes an ordinary one, sometimes two words."""
    first = rng.choice(GIVEN) if rng.random() < 0.3 else invented(rng)
    if rng.random() < 0.08:
        return f"{first} {invented(rng, 3)}"
    return first


def city(rng: random.Random) -> str:
    """A city: half from the list, half invented."""
    return rng.choice(CITIES) if rng.random() < 0.5 else invented(rng)


def number(rng: random.Random) -> int:
    """A whole number of one to six digits."""
    return rng.randint(0, 10 ** rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 6)) - 1)


def code(rng: random.Random) -> str:
    """A code of letters, digits and dashes, such as `QX-4471` or `a8f3c`."""
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(2, 5)))
    form = rng.randrange(4)
    if form == 0:
        return f"{letters}-{digits}"
    if form == 1:
        return letters + digits
    if form == 2:
        return "".join(rng.choice("abcdef0123456789") for _ in range(rng.randint(4, 8)))
    return f"{digits}{letters.lower()}"


def word(rng: random.Random) -> str:
    """A common noun or an invented lower-case word."""
    pools = (THINGS, ANIMALS, FOODS, COLOURS)
    return rng.choice(rng.choice(pools)) if rng.random() < 0.5 else invented(rng, 3).lower()
