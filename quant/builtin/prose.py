"""Plain text on the model's subjects, for raw completion."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

import random

import facts
import memory

PARAGRAPHS = (
    "A language model on an edge device has two phases. In the prefill phase it reads the prompt, and all tokens of the prompt are computed together. In the decode phase it writes the answer, one token after the other. The first phase is bound by compute, the second by memory bandwidth.",
    "Quantisation makes models small enough for small devices. A weight that took 16 bits takes about 4.85 bits at Q4_K_M. The file shrinks to less than a third, and because each token reads all the weights once, the answer also comes about three times as fast.",
    "The Raspberry Pi 5 is the most common edge device. Its memory gives about 10.5 GB/s in practice. A model whose weights take 2 GB therefore writes at most about 5 tokens per second, and a model of 5 GB about 2 tokens per second.",
    "edgellm starts with one command. It looks at the device, measures the memory and the bandwidth, and picks a model that fits. Then it serves the model with an API that OpenAI clients understand. Nothing leaves the device.",
    "The KV cache grows with every token of the chat. For a model of 8 billion parameters it takes about 131 kB per token in F16. A context of 4,096 tokens then needs about half a gigabyte beside the weights.",
    "A Jetson board has one memory for the CPU and the GPU. On a Jetson Orin Nano with 8 GB about 5.2 GB are left for a model. With MLC at 4 bits a model of 8 billion parameters reaches about 19 tokens per second in Super mode.",
    "The Hailo-8 has no memory of its own for weights, so it cannot run language models. The Hailo-10H has 8 GB on the AI HAT+ 2 and runs models of up to 3 billion parameters with a context of 2,048 tokens.",
    "Perplexity and KL divergence tell how much a quantised model has lost. Perplexity looks at how well a text is predicted. KL divergence compares the predictions with those of the original model, token by token, and so sees smaller differences.",
    "A GGUF file holds everything that a runtime needs: the weights, the tokenizer, the chat template and the metadata. llama.cpp maps the file into memory and reads the parts it needs.",
    "Which quantisation should one take? Q4_K_M is the usual choice. If memory is left, Q5_K_M and Q6_K are closer to the original. Q8_0 is nearly without loss, and F16 is the original itself.",
    "The web page of edgellm talks to the server. If no server answers, a small model can run in the browser with WebLLM, which uses the GPU through WebGPU. So the page works on a phone as well.",
    "Tool calling works in three steps. The request offers tools with their schemas. The model answers with the name of a tool and its arguments as JSON. The program runs the tool and sends the result back, and the model makes a sentence of it.",
    "Memory bandwidth decides how fast a model writes. A Raspberry Pi 4 reaches about 3.3 GB/s, a Raspberry Pi 5 about 10.5 GB/s, an Intel N100 about 14 GB/s and a Jetson Orin Nano in Super mode about 89 GB/s.",
    "The built-in model is called pocket. It has about 6.6 million parameters and a file of about 13 MB. It knows edgellm, quantisation and edge devices, and it says so when it does not know an answer.",
    "Small devices get hot. A Raspberry Pi 5 without a fan throttles at about 78 degrees Celsius within a minute of prefill. Active cooling keeps its speed.",
    "ONNX Runtime GenAI runs models in the ONNX format. MLC LLM compiles a model for the GPU of the device. llama.cpp runs GGUF files on nearly everything. The Hailo runtime needs a HEF file that was compiled for the chip.",
    "More threads are not always faster. Decoding is bound by memory, and on a Raspberry Pi 5 three threads are faster than four. Prefill is bound by compute and uses all cores.",
    "In a mixture of experts only a few experts work on each token. A model of 30 billion parameters with 3 billion active ones needs the memory of a large model, but is nearly as fast as a small one.",
)
HELD_PARAGRAPHS = (
    "To choose a model for a small board, first look at its memory. The weights and the KV cache must fit beside the operating system. Then look at the bandwidth, since it sets how many tokens per second the board can write.",
    "With 8 GB of memory a model of 7 billion parameters at Q4_K_M fits, because it needs about 5.3 GB in all. A model of 13 billion parameters does not fit there.",
    "edgellm is started with make run. The server then listens on port 8000, and any OpenAI client can use it. The data stays on the device.",
    "The importance matrix is measured on sample text. It tells the quantiser which weights matter most, and with it the low-bit files lose less.",
    "An Apple M4 has 120 GB/s of memory bandwidth and writes about 21 tokens per second with a model of 8 billion parameters at Q4_K_M. A Raspberry Pi 5 writes about 2.",
    "A Hailo-10H draws about 3 watts. It is not faster than the CPU of a Raspberry Pi 5, but it leaves the CPU and the memory of the host free.",
)


def paragraph(rng: random.Random) -> str:
    """A paragraph: hand-written, of fact sentences, or a table of memory needs."""
    draw = rng.random()
    if draw < 0.4:
        return rng.choice(PARAGRAPHS)
    if draw < 0.8:
        chosen = rng.sample(facts.HAND, rng.randint(2, 4))
        known = [fact.answers[0] for fact in chosen if not fact.answers[0].startswith(("I ", "My ", "Yes", "No,"))]
        return " ".join(known) or rng.choice(PARAGRAPHS)
    size = rng.choice(list(memory.SIZES))
    return " ".join(memory.grid_answer(size, quant) for quant in rng.sample(list(memory.BITS), 2))
