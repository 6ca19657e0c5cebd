"""Whether an encoding gives the same tokens as the engine: on texts in which tokenizers differ.

Many scripts, digits of several kinds, code, white space, marks that combine, control tokens' texts.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.tokens.encoding import Encoding

SAMPLES = (
    "The quick brown fox jumps over the lazy dog. It's 3.14159 or 1,234,567? I'LL say \"we've\" "
    "done — it’s fine… naïve café, Straße, ÉCOLE éÉaÉ, ǅ, İstanbul",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Ёлка №5, 1990-е годы.",
    "我能吞下玻璃而不伤身体。人工智能模型在2024年很流行，价格是￥99。",
    "私はガラスを食べられます。それは私を傷つけません。東京タワー333m。",
    "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요. 서울 2024년.",
    "أنا قادر على أكل الزجاج و هذا لا يؤلمني. العام ٢٠٢٤، والسعر ١٢٫٥٠.",
    "मैं काँच खा सकता हूँ और मुझे उससे कोई चोट नहीं पहुंचती। १२३४",
    "ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ ปี ๒๕๖๗",
    "Μπορώ να φάω σπασμένα γυαλιά. Tiếng Việt có dấu. বাংলা ১২৩ தமிழ் ქართული አማርኛ אני יכול",
    'def fib(n: int) -> int:\n    """Fibonacci."""\n\tif n < 2:\n        return n\n\n'
    "    return fib(n-1)+fib(n-2)  # 0x1F, 1e-9\n\n\n"
    "class A(B):\n    x = {'a': [1, 2], \"b\": None}\n",
    "int main(){std::vector<int> v{1,2,3};for(auto&x:v)x*=2;return 0;}\r\n\t \t\r\n\n",
    "  leading, trailing   \t \n  \n\n many    spaces\t\ttabs \n end  ",
    "👩\u200d👧🏳️\u200d🌈🇩🇪 e\u0301 n\u0303 ａｂｃ １２３ ½ ² ⅷ ﷽ zero\u200bwidth nb\u00a0sp",
    '{"name": "get_weather", "arguments": {"city": "München", "days": [1, 2, 3], "ok": true}}',
    "CamelCaseWORDSAndHTTPServer2Go snake_case_123 kebab-case O'Neill'S YOU'RE McDonald's",
    "https://example.com/a/b?c=d&e=f#g user@example.com C:\\Windows /usr/bin 12345 007 192.168.0.1",
    "<|im_start|>user\nHello<|im_end|>\n<think>\n\n</think> <s>[INST] x [/INST]</s> <|eot_id|>",
)


def is_equal(encoding: Encoding, theirs: Sequence[Sequence[int]]) -> bool:
    """Whether all samples have the same tokens.

    Args:
        theirs: the engine's tokens of each of the samples, control tokens parsed, without a
            beginning-of-text token.
    """
    return all(
        encoding.encode(text) == list(tokens) for text, tokens in zip(SAMPLES, theirs, strict=True)
    )
