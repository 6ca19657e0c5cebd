"""Facts about edge devices: (key, topic, asks, answer, phrases that count)."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

_8B = "an 8B model|Llama 3.1 8B|llama3.1:8b|an 8B|a model of 8B|8B"
_3B = "a 3B model|Llama 3.2 3B|llama3.2:3b|a 3B|a model of 3B|3B"
_15B = "Qwen2.5-1.5B|a 1.5B model|qwen2.5 1.5b|1.5B"
SPEED_ASKS = (
    "what speed does {m} (reach|have|get|show) on {d}?", "{m} on {d}: (how fast|what speed|how many tok/s|speed)?", "what (can|should) I expect (of|from) {d} (with|running) {m}?",
    "(performance|throughput|speed) of {m} on {d}?", "(tokens per second|tok/s) on {d} (with|for) {m}?", "{d} {m} (tok/s|speed|tokens per second)", "how (quickly|rapidly|fast) does {d} (generate|write|produce|answer)( text| tokens|)( with {m}|)?",
    "how many tokens can {d} (write|generate|make) (per|a|each) second( with {m}|)?", "(what is|what's) the (speed|performance|throughput|generation speed|decode speed) of {d}( with {m}|)?", "how well does {m} run on {d}?",
    "is {m} (usable|fast enough|bearable|too slow) on {d}?", "benchmark (of|for) {m} on {d}?", "how (slow|quick|speedy) is {d}( with {m}|)?", "I (run|want to run) {m} on {d}. How fast (is|will) (that|it)( be|)?",
)
SPEEDS = {
    "pi5_speed": (_8B, "a Raspberry Pi 5|a Pi 5|the Pi 5|my Pi 5|Raspberry Pi 5"), "pi5_3b": (_3B, "a Raspberry Pi 5|a Pi 5|the Pi 5|my Pi 5|Raspberry Pi 5"), "pi4_speed": (_3B, "a Raspberry Pi 4|a Pi 4|the Pi 400|a Raspberry Pi 400|my Pi 4"),
    "hailo_speed": (_15B, "a Hailo-10H|the Hailo-10H|the AI HAT+ 2|an AI HAT+ 2|the Hailo"), "orin_nano_speed": (_8B, "a Jetson Orin Nano|the Orin Nano|an Orin Nano Super|the Jetson Orin Nano Super|my Orin Nano"), "agx_speed": (_8B, "a Jetson AGX Orin|the AGX Orin|an AGX Orin|AGX Orin"),
    "thor_speed": (_8B, "a Jetson Thor|the Jetson AGX Thor|an AGX Thor|Jetson Thor|Thor"), "n100_speed": (_8B, "an N100|the Intel N100|an Intel N100|an N100 mini PC|my N100"), "m4_speed": (_8B, "an Apple M4|the M4|a Mac mini M4|an M4 Mac|Apple M4"),
    "rk3588_speed": (_15B, "an RK3588|the RK3588|an Orange Pi 5|RK3588"), "strix_speed": (_8B, "Strix Halo|AMD Strix Halo|a Strix Halo box|the Ryzen AI Max"),
}


def speed_asks(key: str) -> tuple[str, ...]:
    """More ways to ask for a speed; a question that names no model means the usual one."""
    model, device = SPEEDS[key]
    kept = [ask for ask in SPEED_ASKS if key != "pi5_3b" or "( with {m}|)" not in ask]
    return tuple(ask.replace("{m}", f"({model})").replace("{d}", f"({device})") for ask in kept)


_ROWS = (
    ("pi5", "the Raspberry Pi 5|a Raspberry Pi 5|Raspberry Pi 5|the Pi 5|Pi 5", (
        "(can|does) a (Raspberry |)Pi 5 run (an LLM|LLMs|language models|a model)?", "is (a|the) (Raspberry |)Pi 5 (good|enough|good enough) for LLMs?",
    ), "The Raspberry Pi 5 has a Cortex-A76 CPU and up to 16 GB of memory; it runs small models up to "
       "about 8B.", ("A76", "16 GB")),
    ("pi5_speed", "", (
        "how fast (is|does) (an 8B model|llama3.1:8b|Llama 3.1 8B|an 8B|llama 8b)( run|) on (a|the) (Raspberry |)Pi 5?",
        "(speed|tokens per second|tok/s) of (an 8B model|llama3.1:8b|Llama 3.1 8B) on (a|the) (Raspberry |)Pi 5?",
        "how many (tokens per second|tok/s) does (a|the) (Raspberry |)Pi 5 (do|reach|get|make|manage) with (an 8B model|Llama 3.1 8B|8B)?",
        "how fast is (a|the) (Raspberry |)Pi 5( with LLMs|)?",
    ), "A Raspberry Pi 5 runs Llama 3.1 8B at about 2 tokens per second.", ("about 2 tokens per second",)),
    ("pi5_3b", "", (
        "how fast (is|does) (a 3B model|llama3.2:3b|Llama 3.2 3B|a 3B)( run|) on (a|the) (Raspberry |)Pi 5?",
        "(speed|tokens per second|tok/s) of (a 3B model|llama3.2:3b|Llama 3.2 3B) on (a|the) (Raspberry |)Pi 5?",
        "how many (tokens per second|tok/s) does (a|the) (Raspberry |)Pi 5 (do|reach|get|make) with (a 3B model|Llama 3.2 3B|3B)?",
    ), "A Raspberry Pi 5 runs Llama 3.2 3B at about 4.6 to 4.9 tokens per second.", ("4.6 to 4.9",)),
    ("pi5_bw", "", (
        "(what is|what's) the memory bandwidth of (a|the) (Raspberry |)Pi 5?", "how much (memory |)bandwidth does (a|the) (Raspberry |)Pi 5 have?",
        "(Raspberry |)Pi 5 (memory |)bandwidth?", "how fast is the memory of (a|the) (Raspberry |)Pi 5?",
    ), "The Raspberry Pi 5 has a peak memory bandwidth of about 17 GB/s, of which about 10.5 GB/s are "
       "reached.", ("17 GB/s",)),
    ("pi5_model", "", (
        "(what|which) model (should I (run|use) on|fits|runs well on|is best for|is good for) (a|the|my) (Raspberry |)Pi 5?",
        "best (model|LLM) for (a|the|my) (Raspberry |)Pi 5?", "(recommend|suggest) a model for (a|the|my) (Raspberry |)Pi 5.",
        "what (can I|should I) run on (a|the|my) (Raspberry |)Pi 5?",
    ), "On a Raspberry Pi 5 a model of 1B to 4B at Q4_K_M is a good choice: it fits and answers at a "
       "readable speed.", ("1B to 4B",)),
    ("pi4", "the Raspberry Pi 4|a Raspberry Pi 4|Raspberry Pi 4|the Pi 4|Pi 4|the Pi 400", (
        "(can|does) a (Raspberry |)Pi 4 run (an LLM|LLMs|language models|a model)?", "is (a|the) (Raspberry |)Pi 4 (good|enough|good enough) for LLMs?",
        "(what|which) model (should I use on|fits|runs well on|is best for) (a|the|my) (Raspberry |)Pi 4?", "best model for (a|the|my) (Raspberry |)Pi 4?",
    ), "The Raspberry Pi 4 has a slow Cortex-A72 CPU without dot-product instructions; use models of "
       "about 1B or less.", ("A72", "1B or less")),
    ("pi4_speed", "", (
        "how fast (is|does) (a 3B model|llama3.2:3b|Llama 3.2 3B|a 3B)( run|) on (a|the) (Raspberry |)Pi (4|400)?",
        "how fast is (a|the) (Raspberry |)Pi (4|400)( with LLMs|)?",
        "how many (tokens per second|tok/s) does (a|the) (Raspberry |)Pi (4|400) (do|reach|get|make)( with a 3B model|)?",
        "(speed|tokens per second|tok/s) of (a 3B model|Llama 3.2 3B) on (a|the) (Raspberry |)Pi (4|400)?",
    ), "A Raspberry Pi 400 runs Llama 3.2 3B at about 1.6 tokens per second.", ("1.6 tokens per second",)),
    ("pi4_bw", "", (
        "(what is|what's) the memory bandwidth of (a|the) (Raspberry |)Pi 4?", "how much (memory |)bandwidth does (a|the) (Raspberry |)Pi 4 have?",
        "(Raspberry |)Pi 4 (memory |)bandwidth?",
    ), "The Raspberry Pi 4 has a peak memory bandwidth of about 12.8 GB/s.", ("12.8 GB/s",)),
    ("pi_os", "", (
        "do I need (a |)64-bit (OS|system|operating system)( on a Raspberry Pi| on a Pi|)?", "(32-bit or 64-bit|which OS|what operating system) (for|on) (a|the|my) (Raspberry |)Pi?",
        "does a 32-bit (system|OS) work?",
    ), "On a Raspberry Pi you need a 64-bit operating system.", ("64-bit",)),
    ("pi_cool", "", (
        "(do I|does a Pi 5|does my Raspberry Pi) need (a |)(cooler|fan|active cooling|cooling|heat sink)?", "why does my (Raspberry |)Pi (slow down|throttle|get hot)?",
        "at what temperature does (a|the) (Raspberry |)Pi( 5|) throttle?", "does cooling matter?",
    ), "Use active cooling: a passively cooled Raspberry Pi 5 throttles at about 78 degrees Celsius within "
       "a minute of prefill.", ("active cooling",)),
    ("hat2", "the AI HAT+ 2|the Raspberry Pi AI HAT+ 2|AI HAT+ 2|the AI HAT 2", (
        "can the AI HAT+ 2 run (an LLM|LLMs|models)?", "how much memory (has|does) the AI HAT+ 2( have|)?", "which chip is on the AI HAT+ 2?",
    ), "The AI HAT+ 2 is a board for the Raspberry Pi 5 with a Hailo-10H and 8 GB of its own memory.",
     ("Hailo-10H", "8 GB")),
    ("hailo10", "the Hailo-10H|Hailo-10H|Hailo 10H|hailo10h|the Hailo 10", (
        "can (the|a) Hailo-10H run (an LLM|LLMs|language models)?", "how many TOPS has (the|a) Hailo-10H?", "how much power does (the|a) Hailo-10H (use|need|draw)?",
    ), "The Hailo-10H is an accelerator of 40 TOPS at INT4 that runs models up to 3B at about 3 watts.",
     ("40 TOPS", "3B")),
    ("hailo8", "the Hailo-8|Hailo-8|Hailo-8L|the AI HAT+|Hailo 8", (
        "can (the|a) (Hailo-8|Hailo-8L|Hailo 8|AI HAT+) run (an LLM|LLMs|language models|a model|chat models)?", "(does|will) (the|a) (Hailo-8|Hailo-8L) (run|work with) LLMs?",
        "why can't (the|a) (Hailo-8|Hailo 8) run LLMs?", "is (the|a) (Hailo-8|Hailo-8L) good for LLMs?",
    ), "No, the Hailo-8 cannot run LLMs, because it has no memory of its own; the Hailo-10H can.",
     ("cannot run LLMs",)),
    ("hailo_speed", "", (
        "how fast is (the|a) (Hailo-10H|Hailo|AI HAT+ 2)?", "how many (tokens per second|tok/s) does (the|a) (Hailo-10H|AI HAT+ 2) (do|reach|get|make)?",
        "(speed|tok/s|tokens per second) of (Qwen2.5-1.5B|a 1.5B model) on (the|a) (Hailo-10H|AI HAT+ 2)?",
    ), "A Hailo-10H runs Qwen2.5-1.5B at about 7 tokens per second and Llama 3.2 3B at 2.67.", ("7 tokens per second",)),
    ("hailo_limits", "", (
        "what are the (limits|limitations|constraints) of (the|a) Hailo-10H?", "(what|which) context (length |)does (the|a) Hailo-10H (have|support|allow)?",
        "how (big|large) (a model|models) can (the|a) Hailo-10H run?", "which models run on (the|a) Hailo-10H?",
    ), "On the Hailo-10H the context is limited to 2,048 tokens and the models to about 3B.", ("2,048", "3B")),
    ("hailo_worth", "", (
        "(is|should I buy) (the|a) (Hailo-10H|AI HAT+ 2) (worth it|faster than the CPU|faster than a Pi 5)?", "is (the|a) (Hailo-10H|AI HAT+ 2) faster than the (Pi 5|CPU|Raspberry Pi 5)( CPU|)?",
        "why (use|buy) (the|a) (Hailo-10H|AI HAT+ 2)?",
    ), "The Hailo-10H is about as fast as the Raspberry Pi 5 CPU; it wins on power and leaves CPU and "
       "memory free.", ("power",)),
    ("hef", "a HEF file|HEF|a .hef file|HEF files", (
        "which (file|format) does (the|a) Hailo( device|-10H|) need?",
    ), "A HEF is a model compiled for a Hailo chip; it must match the installed HailoRT version.", ("compiled for a Hailo",)),
    ("orin_nano", "the Jetson Orin Nano|a Jetson Orin Nano|Jetson Orin Nano|Orin Nano|the Orin Nano Super", (
        "how much (memory|bandwidth) (has|does) the (Jetson |)Orin Nano( have|)?", "can (the|a) (Jetson |)Orin Nano run LLMs?",
    ), "The Jetson Orin Nano has 8 GB of memory, an Ampere GPU and 102 GB/s of bandwidth in Super mode.",
     ("8 GB", "102 GB/s")),
    ("orin_nano_speed", "", (
        "how fast is (the|a) (Jetson |)Orin Nano( Super|)?", "how many (tokens per second|tok/s) does (the|a) (Jetson |)Orin Nano( Super|) (do|reach|get|make)?",
        "how fast (is|does) (an 8B model|Llama 3.1 8B|llama 8b)( run|) on (the|a) (Jetson |)Orin Nano( Super|)?",
        "(speed|tok/s|tokens per second) of (an 8B model|Llama 3.1 8B) on (the|a) (Jetson |)Orin Nano( Super|)?",
    ), "A Jetson Orin Nano Super runs Llama 3.1 8B at about 19 tokens per second with MLC at 4 bits.",
     ("19 tokens per second",)),
    ("orin_usable", "", (
        "how much memory is (usable|free|available) on (the|a|an) (Jetson |)Orin Nano?", "how much of the 8 GB (can CUDA use|is usable) on (the|a|an) (Jetson |)Orin Nano?",
    ), "Of the 8 GB of a Jetson Orin Nano about 5.2 GB are usable for a model.", ("5.2 GB",)),
    ("super", "Super mode|the Super mode|MAXN_SUPER|Jetson Super mode", (
        "how do I (turn on|switch on|enable) Super mode?", "how much faster is Super mode?",
    ), "Super mode is a power mode of the Jetson Orin that raises the memory bandwidth of the Orin Nano "
       "from 68 to 102 GB/s.", ("102 GB/s",)),
    ("orin_nx", "the Jetson Orin NX|Jetson Orin NX|Orin NX", (),
     "The Jetson Orin NX has 8 or 16 GB of memory, an Ampere GPU and about 102 GB/s of bandwidth.", ("8 or 16 GB",)),
    ("agx", "the Jetson AGX Orin|Jetson AGX Orin|AGX Orin|a Jetson AGX Orin", (
        "how much (memory|bandwidth) (has|does) the (Jetson |)AGX Orin( have|)?",
    ), "The Jetson AGX Orin has 32 or 64 GB of memory and about 205 GB/s of bandwidth.", ("32 or 64 GB", "205 GB/s")),
    ("agx_speed", "", (
        "how fast is (the|a|an) (Jetson |)AGX Orin?", "how many (tokens per second|tok/s) does (the|a|an) (Jetson |)AGX Orin (do|reach|get|make)?",
        "how fast (is|does) (an 8B model|Llama 3.1 8B)( run|) on (the|a|an) (Jetson |)AGX Orin?",
    ), "A Jetson AGX Orin runs Llama 3.1 8B at about 28 tokens per second with 4-bit weights.", ("28 tokens per second",)),
    ("thor", "the Jetson Thor|Jetson AGX Thor|Jetson Thor|AGX Thor|a Jetson Thor", (
        "how much (memory|bandwidth) (has|does) the (Jetson |)(AGX |)Thor( have|)?",
    ), "The Jetson AGX Thor has 128 GB of memory, a Blackwell GPU and about 273 GB/s of bandwidth.",
     ("128 GB", "Blackwell")),
    ("thor_speed", "", (
        "how fast is (the|a) (Jetson |)(AGX |)Thor?", "how many (tokens per second|tok/s) does (the|a) (Jetson |)(AGX |)Thor (do|reach|get|make)?",
        "how fast (is|does) (an 8B model|Llama 3.1 8B)( run|) on (the|a) (Jetson |)(AGX |)Thor?",
    ), "A Jetson AGX Thor runs Llama 3.1 8B at about 44 tokens per second with 4-bit weights.", ("44 tokens per second",)),
    ("n100", "the Intel N100|an Intel N100|Intel N100|N100|an N100 mini PC|the N100", (
        "can (an|the) (Intel |)N100 run (an LLM|LLMs|a model)?", "is (an|the) (Intel |)N100 (good|enough) for LLMs?",
    ), "The Intel N100 is a small PC chip with one memory channel, so it runs models of about 3B well "
       "and 8B slowly.", ("one memory channel",)),
    ("n100_speed", "", (
        "how fast is (an|the) (Intel |)N100( mini PC|)?", "how many (tokens per second|tok/s) does (an|the) (Intel |)N100 (do|reach|get|make)?",
        "how fast (is|does) (an 8B model|Llama 3.1 8B)( run|) on (an|the) (Intel |)N100?",
    ), "An Intel N100 runs Llama 3.1 8B at Q4_K_M at about 3 tokens per second.", ("3 tokens per second",)),
    ("m4", "the Apple M4|Apple M4|an Apple M4|the M4 chip|a Mac mini M4|the M4", (
        "can (a|an|the) (M4|Mac mini|Apple M4) run LLMs?", "(what is|what's) the memory bandwidth of (the|an) (Apple |)M4?",
    ), "The Apple M4 has 120 GB/s of memory bandwidth and a Metal GPU that shares the memory.", ("120 GB/s",)),
    ("m4_speed", "", (
        "how fast is (the|an) (Apple |)M4?", "how many (tokens per second|tok/s) does (the|an|a) (Apple M4|M4|Mac mini M4) (do|reach|get|make)?",
        "how fast (is|does) (an 8B model|Llama 3.1 8B)( run|) on (the|an|a) (Apple M4|M4|Mac mini M4)?",
    ), "An Apple M4 runs Llama 3.1 8B at Q4_K_M at about 21 tokens per second.", ("21 tokens per second",)),
    ("m4pro", "the Apple M4 Pro|Apple M4 Pro|the M4 Pro|an M4 Pro", (
        "how fast is (the|an) (Apple |)M4 Pro?", "how many (tokens per second|tok/s) does (the|an) (Apple |)M4 Pro (do|reach|get|make)?",
        "(what is|what's) the (memory |)bandwidth of (the|an) (Apple |)M4 Pro?",
    ), "The Apple M4 Pro has 273 GB/s of memory bandwidth and runs Llama 3.1 8B at about 47 tokens per "
       "second.", ("273 GB/s", "47 tokens")),
    ("unified", "unified memory|shared memory on Apple chips", (
        "how much memory can the GPU use on a Mac?", "why are Macs good for LLMs?",
    ), "With unified memory CPU and GPU share one memory, so a Mac or a Jetson can give most of it to a "
       "model.", ("share one memory",)),
    ("rk3588", "the RK3588|RK3588|the Rockchip RK3588|an RK3588 board|an Orange Pi 5", (
        "can (the|an) (RK3588|Orange Pi 5) run LLMs?", "does the RK3588 NPU run LLMs?", "how many TOPS has the RK3588?",
    ), "The RK3588 is a chip of boards such as the Orange Pi 5, with an NPU of 6 TOPS and 4 to 32 GB of "
       "memory.", ("6 TOPS",)),
    ("rk3588_speed", "", (
        "how fast is (the|an) RK3588?", "how many (tokens per second|tok/s) does (the|an) RK3588 (do|reach|get|make)?",
        "(speed|tok/s) of (Qwen2.5-1.5B|a 1.5B model) on (the|an) (RK3588|Orange Pi 5)?",
    ), "The NPU of an RK3588 runs Qwen2.5-1.5B at about 17 tokens per second.", ("17 tokens per second",)),
    ("rkllm", "RKLLM|the RKLLM runtime", (),
     "RKLLM is the runtime for language models on Rockchip NPUs; it needs models converted for each "
     "chip.", ("Rockchip",)),
    ("strix", "Strix Halo|AMD Strix Halo|the Ryzen AI Max|the AMD Ryzen AI Max", (
        "how much (memory|bandwidth) (has|does) Strix Halo( have|)?", "can Strix Halo run LLMs?",
    ), "AMD Strix Halo has up to 128 GB of shared memory at 256 GB/s.", ("128 GB", "256 GB/s")),
    ("strix_speed", "", (
        "how fast is Strix Halo?", "how many (tokens per second|tok/s) does Strix Halo (do|reach|get|make)?",
        "how fast (is|does) (an 8B model|Llama 3.1 8B)( run|) on Strix Halo?",
    ), "AMD Strix Halo runs Llama 3.1 8B at Q4_K_M at about 40 tokens per second.", ("40 tokens per second",)),
    ("gb10", "the NVIDIA GB10|GB10|the DGX Spark|DGX Spark", (
        "how much memory (has|does) the (DGX Spark|GB10)( have|)?",
    ), "The NVIDIA GB10 of the DGX Spark has 128 GB of memory and about 273 GB/s of bandwidth.", ("128 GB", "273 GB/s")),
    ("snapdragon", "the Snapdragon X Elite|Snapdragon X Elite|Snapdragon X", (),
     "The Snapdragon X Elite is an ARM laptop chip with 16 to 64 GB of memory and about 135 GB/s of "
     "bandwidth.", ("135 GB/s",)),
    ("best_device", "", (
        "(what|which) (device|board|computer|hardware) (should I buy|is best|is the best|do you recommend)( for LLMs| for local models|)?",
        "(recommend|suggest) a (device|board)( for LLMs|).", "(Pi|Raspberry Pi 5|Raspberry Pi) or (Jetson|Jetson Orin Nano)?", "(Jetson|Jetson Orin Nano) or (Pi|Raspberry Pi 5|Raspberry Pi)?",
    ), "For small models a Raspberry Pi 5 is cheap; for 8B models a Jetson Orin Nano is about nine times "
       "faster.", ("Jetson Orin Nano", "faster")),
    ("phone", "", (
        "(can|does) (edgellm|it) run on (a|my) (phone|smartphone|Android phone|iPhone)?", "can I (run|use) (a model|edgellm) on my (phone|smartphone)?",
    ), "On a phone use the web page of edgellm in the browser; a phone itself can run models of about 1B.",
     ("web page",)),
    ("nogpu", "", (
        "do I need a (GPU|graphics card)?", "(does|can) (edgellm|it|a model) (run|work) without a (GPU|graphics card)?", "can I run (a model|LLMs) on (a|the) CPU( only|)?",
        "is a (GPU|graphics card) (needed|required|necessary)?",
    ), "No GPU is needed: small quantised models run well on a CPU.", ("No GPU is needed",)),
    ("cpu_flags", "", (
        "(what|which) CPU (features|instructions|flags) (help|matter|are good)( for LLMs|)?", "does AVX2 (help|matter)?", "why does (dotprod|AVX2|i8mm) matter?",
    ), "AVX2 or AVX-512 on x86 and dotprod or i8mm on ARM make quantised models faster.", ("AVX2", "dotprod")),
    ("disk", "", (
        "how much (disk space|disk|storage) do I need?", "how much (disk space|disk|storage) does (a model|edgellm) (need|take)?",
        "do I need an SSD?", "is an SD card (enough|fast enough|ok)?",
    ), "A model needs as much disk space as its file, about 5 GB for 8B at Q4_K_M; an SSD loads it faster "
       "than an SD card.", ("5 GB", "SSD")),
    ("power", "", (
        "how much power does (a|the) (Raspberry Pi 5|Jetson|Jetson Orin Nano|board) (use|need|draw)?", "how many watts does (a|the) (Jetson Orin Nano|Jetson) (use|need|draw)?",
        "(what is|what's) the power (use|draw) of (a|the) Jetson Orin Nano?",
    ), "A Jetson Orin Nano draws up to 25 watts in Super mode, and a Hailo-10H about 3 watts.", ("25 watts",)),
)
DEVICE_FACTS = tuple(
    (key, topic, (*asks, *speed_asks(key)) if key in SPEEDS else asks, answer, must)
    for key, topic, asks, answer, must in _ROWS
)
