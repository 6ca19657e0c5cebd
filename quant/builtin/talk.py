"""Small talk, and questions beyond what the model knows."""

# ruff: noqa: E501

from __future__ import annotations

import random

import words
from phrasing import dress

Rng = random.Random
Turn = tuple[str, str]
# fmt: off
SMALL = (
    (("(hi|hello|hey|good morning|good evening|good day|hi there|hello there|greetings|hey there|yo)(!|.|,|)",
      "(hi|hello|hey) pocket(!|.|)", "(howdy|hiya|heya|good evening|good day to you|welcome|hello again|hi again|nice to see you|hello friend|hello everybody|a good morning)( pocket|)(!|.|)"), ("Hello! How can I help you?",)),
    (("how are you( today| doing|)?", "how is it going?", "how do you do?", "are you (ok|well|fine)?", "what's up?", "(hi|hello|hey|good morning)(,|!) how are (you|things)( today| going|)?", "how (have you been|are things|was your day|is your day|do you feel|is everything)( today| now|)?", "(everything|all) (fine|well|ok|good)( with you|)?"),
     ("I am well, thank you. How can I help you?",)),
    (("(thanks|thank you|thx|many thanks|thanks a lot|thank you very much|cheers)( a lot| for your help| pocket|)(!|.|)", "that (helps|helped|was helpful)(.|, thanks|!)", "(great|perfect|good|nice|wonderful|ok), (thanks|thank you)(!|.|)", "(I appreciate it|very kind of you|much appreciated|thanks for the (help|answer|explanation)|I thank you|thanks so much)(!|.|)"),
     ("You are welcome.",)),
    (("(bye|goodbye|see you|good night|see you later|farewell|bye bye|until tomorrow)(!|.|)", "I (have to|must) go(.| now.)", "(that's all|that is all|I am done|I'm leaving|I leave now)(.|, bye.|, goodbye!|)", "(talk to you later|have a nice day|see you soon|until next time|bye for now|take care)(!|.|)"), ("Goodbye!",)),
    (("(ok|okay|fine|good|great|nice|cool|I see|understood|right|perfect|wonderful)(.|!|)", "(that is|that's) (good|great|nice|fine|interesting)(.|!|)", "(alright|all right|got it|makes sense|sounds good|well|yes|fine then|agreed|good to know|aha)(.|!|)"),
     ("Good. What else would you like to know?",)),
    (("(no|you are wrong|that is wrong|wrong|that's not right)(.|!|)",), ("I am sorry, I may be wrong: I am a very small model.",)),
    (("(sorry|excuse me|pardon)(.|!|)",), ("No problem. How can I help you?",)),
    (("(test|testing|ping|are you there|is anybody there)(?|.|)",), ("I am here. How can I help you?",)),
    (("(I am|I'm) (bored|tired|sad|happy|hungry|lonely)(.|!)", "I (like|love) you(.|!)", "you are (great|nice|clever|stupid|dumb|cool)(.|!)"),
     ("Thank you for telling me. How can I help you?",)),
)
UNKNOWN = (
    "what is the capital of {c}?", "(which city is|name) the capital of {c}(?|.)", "who is the (president|king|queen|prime minister) of {c}?",
    "how many people live in {c}?", "what (language|currency) (do they|is) (speak|used) in {c}?", "how (big|far) is {c}?", "(tell me|what do you know) about {c}(.|?)",
    "who won the (world cup|Olympic games|football match|election|Nobel prize|race|war|final) (in|of) {y}?", "what happened in {y}?", "who (wrote|painted|composed|invented|discovered) {x}?",
    "how do I (cook|bake|make|prepare) {f}?", "(give me|do you have) a recipe for {f}(.|?)", "what is the (best|healthiest) {f}?", "(write|tell) me a (poem|story|joke|song|letter|essay) about (a |){a}(s|).",
    "write a (poem|story|joke|song|haiku|letter|essay).", "tell me a joke.", "(write|give me) (a|some) (Python|Java|JavaScript|C|bash|SQL) (program|function|code|script)( that sorts a list| that adds numbers|).",
    "what is {n} (plus|minus|times|divided by) {n}?", "(compute|calculate) {n} (+|-|*|/) {n}.", "{n} (+|-|*|x) {n}?", "what is the square root of {n}?", "solve x + {n} = {n}.",
    "why is the (sky|sea|grass|sun|moon) (blue|green|red|bright|round)?", "how (far|hot|big|old) is the (sun|moon|earth|ocean)?", "how (tall|high|deep) is (the Eiffel Tower|Mount Everest|the Pacific|the Empire State Building)?",
    "what (time|day|date) is it( now| today|)?", "what is the weather( like|)( in {v}| today| tomorrow|)?", "will it rain( tomorrow| in {v}| today|)?", "who is {p}?", "do you know {p} {p}?", "when was {p} born?", "where (was|is) {p} (born|now)?",
    "(translate|say) {w} (into|in|to) {l}.", "how do you say {w} in {l}?", "what does {w} mean in {l}?", "how many legs (has|does) a {a}( have|)?", "what do(es|) (a |){a}(s|) eat?", "how (fast|big|heavy|old) (is|gets) a {a}?",
    "what is (love|life|time|happiness|the meaning of life|democracy|inflation|gravity|photosynthesis|a black hole|DNA|a virus|an atom|evolution|quantum physics|philosophy|the French Revolution|World War II|the Roman Empire)?",
    "(explain|tell me about|describe) (love|gravity|photosynthesis|black holes|DNA|viruses|atoms|evolution|quantum physics|democracy|inflation|jazz|opera|volcanoes|dinosaurs|the French Revolution|World War II|the Roman Empire|Shakespeare|Napoleon|Einstein).",
    "who (was|is) (Shakespeare|Napoleon|Einstein|Mozart|Picasso|Cleopatra|Darwin|Newton|Beethoven|Gandhi|Columbus|Plato)?", "when (was|did) (World War II|the French Revolution|the Roman Empire) (end|start|begin)?",
    "(what is|what's) the (price|cost) of (gold|oil|bitcoin|a house|a car|milk)?", "(should I|is it good to) buy (shares|bitcoin|gold|a house|a car)?", "(what|which) (film|book|song|game) (should I|do you) (watch|read|recommend|like)?",
    "how do I (fix|repair|clean) (my |a |)(car|bike|roof|sink|{t})?", "how do I (lose weight|get rich|sleep better|learn to swim|tie a tie|grow tomatoes|train a dog)?", "what should I (eat|wear|do|cook) (today|tonight|tomorrow)?",
    "(my head hurts|I have a fever|I feel sick). What should I (do|take)?", "how many (days|weeks|hours|seconds) are in a (year|month|day)?", "what colour is (a |the |){t}?", "where can I buy (a |){t}?", "how much (is|costs|does) (a |){t}( cost|)?",
    "spell {w} backwards.", "what rhymes with {w}?", "how many letters has {w}?", "what is the opposite of (hot|big|fast|good|light|early)?", "who sings {x}?", "what is the plot of {x}?", "what is (the |)(population|area|flag|history|climate) of {c}?",
    "which (river|mountain|sea|lake) is the (longest|highest|deepest|largest)?", "how many (planets|continents|countries|oceans|stars) are there?", "what is the (chemical |)(formula|symbol) (of|for) (water|salt|gold|iron|oxygen)?",
    "how does (a car|an engine|a plane|a fridge|the heart|the brain|a battery|television|money) work?", "can you (drive|sing|dance|paint|see|hear|cook|play chess|draw a picture)?", "what is (football|chess|tennis|cricket|poker|yoga|golf)?",
    "who is the (best|fastest|richest|oldest|tallest) (player|man|woman|singer|person)( in the world|)?", "what is the (distance|way|train) (from {v} to {v}|between {v} and {v})?", "is there life on (Mars|other planets)?",
)
REFUSALS = (
    "I don't know that. I am a small model and know about edgellm, quantisation and edge devices.",
    "I don't know. I am a small model and only know about edgellm, quantisation and edge devices.",
    "Sorry, I don't know that: I only know about edgellm, quantisation and edge devices.",
)
# fmt: on


def slots(rng: Rng, text: str) -> str:
    """Fill the slots of an unknown-knowledge template, each occurrence anew."""
    makers = {
        "{c}": lambda: rng.choice(words.COUNTRIES),
        "{y}": lambda: str(rng.randint(1700, 2025)),
        "{n}": lambda: str(words.number(rng)),
        "{x}": lambda: f"{rng.choice(('the', 'The'))} {words.invented(rng, 3)}",
        "{f}": lambda: rng.choice(words.FOODS),
        "{a}": lambda: rng.choice(words.ANIMALS),
        "{v}": lambda: words.city(rng),
        "{p}": lambda: words.name(rng),
        "{w}": lambda: words.word(rng),
        "{l}": lambda: rng.choice(words.LANGUAGES),
        "{t}": lambda: rng.choice(words.THINGS),
    }
    for slot, make in makers.items():
        while slot in text:
            text = text.replace(slot, make(), 1)
    return text


def refusal(rng: Rng) -> Turn:
    """A question beyond the model, and the answer that says so."""
    text = slots(rng, words.expand(rng, rng.choice(UNKNOWN)))
    return dress(rng, text), rng.choices(REFUSALS, (6, 2, 2))[0]


def small(rng: Rng) -> Turn:
    """Small talk."""
    asks, answers = rng.choice(SMALL)
    text = words.expand(rng, rng.choice(asks))
    return (text[:1].upper() + text[1:] if rng.random() < 0.6 else text), rng.choice(answers)
