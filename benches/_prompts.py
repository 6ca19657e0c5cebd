"""Prompts of a wished length, made of common English words in a seeded order.

A word is one token of a synthetic model and one to two of a real one, so a length in tokens
becomes a length in words by the figure that `tokens_per_word` gets from the server.
"""

from __future__ import annotations

import itertools
import random

_TEXT = """
able about above accept across action add after again age agree air all allow almost alone along
already also always among amount and animal another answer any appear apple area arm army around
arrive art ask away baby back ball bank base basic bear beat beauty become bed before begin behind
believe below best better between big bird black blood blue board boat body bone book born both
bottom box boy branch bread break bridge bright bring brother brown build burn busy buy call can
capital car card care carry case catch cause center certain chair chance change chart check chief
child choose church circle city claim class clean clear climb clock close cloth cloud coast coat
cold collect color column come common compare complete consider contain control cook cool copy
corn corner correct cost cotton could count country course cover create cross crowd cry current
cut dance danger dark day dead deal dear death decide deep degree depend describe desert design
develop differ dinner direct discuss distant divide doctor dog dollar door double doubt down draw
dream dress drink drive drop dry during each ear early earth ease east eat edge effect egg eight
either electric element else end enemy energy engine enough enter equal even evening event ever
every exact example except excite exercise expect explain express eye face fact fair fall family
famous far farm fast father favor fear feed feel feet fell few field fight figure fill final find
fine finger finish fire first fish fit five flat floor flow flower fly follow food foot force
forest form forward four fraction free fresh friend from front fruit full game garden gas gather
general gentle give glad glass gold gone good govern grand grass gray great green ground group
grow guess guide gun hair half hand happen happy hard have head hear heart heat heavy help her
here high hill history hold hole home hope horse hot hour house how huge human hundred hunt hurry
ice idea imagine inch include indicate industry insect instant invent iron island job join joy
jump just keep key kill kind king knew know lady lake land language large last late laugh law lay
lead learn least leave left leg length less letter level lie life lift light like line liquid list
listen little live locate log long look lost loud love low machine made magnet main make man many
map mark market master match material matter may mean measure meat meet melody men metal method
middle might mile milk million mind mine minute miss mix modern molecule moment money month moon
more morning most mother motion mountain mouth move much multiply music must name nation nature
near neck need never new next night nine noise noon north nose note
"""
WORDS = tuple(_TEXT.split())


class Writer:
    """Texts that differ with every call, the same in every run of the same seed."""

    def __init__(self, seed: int, tokens_per_word: float = 1.0) -> None:
        self._random = random.Random(seed)
        self._tokens_per_word = tokens_per_word

    def text(self, num_tokens: int) -> str:
        """About `num_tokens` of words, in an order that no other text has."""
        count = max(1, round(num_tokens / self._tokens_per_word))
        return " ".join(self._random.choices(WORDS, k=count))

    def distinct(self, *num_tokens: int) -> list[str]:
        """Texts that repeat no word, neither within nor among themselves, as far as words go."""
        counts = [max(1, round(count / self._tokens_per_word)) for count in num_tokens]
        words = self._random.sample(WORDS, len(WORDS))
        ends = itertools.accumulate(counts)
        return [" ".join(words[end - n : end]) for n, end in zip(counts, ends, strict=True)]
