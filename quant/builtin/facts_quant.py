"""Facts about quantisation and inference: (key, topic, asks, answer, phrases that count)."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

QUANT_FACTS = (
    ("quantisation", "quantisation|quantization|quantising a model|quantizing|model quantisation|quants", (
        "how does quanti(s|z)ation work?", "why (do we|should I|would I|do people) quanti(s|z)e (a model|models)?",
        "what does quanti(s|z)ing (a model |)(do|change)?", "why are models quanti(s|z)ed?",
        "what (is|are) the (benefit|benefits|use|gain) of quanti(s|z)ation?",
    ), "Quantisation stores the weights of a model with fewer bits, so that it is smaller and faster "
       "with little loss.", ("fewer bits", "smaller")),
    ("q4km", "Q4_K_M|q4_k_m|the Q4_K_M format|Q4 K M|Q4_K_M quantisation", (
        "how many bits (per weight |)(has|does|is) Q4_K_M( use| have|)?", "(is Q4_K_M|how) good( is Q4_K_M|)?",
        "what does the name Q4_K_M (say|mean|stand for)?", "why is Q4_K_M (so |)popular?",
    ), "Q4_K_M is a K-quant of about 4.85 bits per weight: the usual choice, small with little loss.",
     ("4.85 bits",)),
    ("q5km", "Q5_K_M|q5_k_m|the Q5_K_M format|Q5_K_M quantisation", (
        "how many bits (per weight |)(has|does|is) Q5_K_M( use| have|)?", "when (should|would) I (use|take|choose) Q5_K_M?",
    ), "Q5_K_M is a K-quant of about 5.7 bits per weight: a little larger and closer to the original "
       "than Q4_K_M.", ("5.7 bits",)),
    ("q6k", "Q6_K|q6_k|the Q6_K format|Q6_K quantisation", (
        "how many bits (per weight |)(has|does|is) Q6_K( use| have|)?", "when (should|would) I (use|take|choose) Q6_K?",
    ), "Q6_K is a K-quant of about 6.6 bits per weight: almost the same quality as F16.", ("6.6 bits",)),
    ("q80", "Q8_0|q8_0|the Q8_0 format|Q8_0 quantisation|8-bit quantisation", (
        "how many bits (per weight |)(has|does|is) Q8_0( use| have|)?", "when (should|would) I (use|take|choose) Q8_0?",
    ), "Q8_0 stores 8.5 bits per weight in blocks of 32: practically no loss, at half the size of F16.",
     ("8.5 bits",)),
    ("q40", "Q4_0|q4_0|the Q4_0 format", (
        "how many bits (per weight |)(has|does|is) Q4_0( use| have|)?", "when (should|would) I (use|take|choose) Q4_0?",
        "why is Q4_0 (good|fast) on ARM?",
    ), "Q4_0 is a simple format of 4.5 bits per weight; llama.cpp repacks it for fast prefill on ARM CPUs.",
     ("4.5 bits", "ARM")),
    ("f16", "F16|f16|FP16|the F16 format|half precision", (
        "how many (bits|bytes) (per weight |)(has|does|is) F16( use| have|)?", "(should|when should) I use F16?",
    ), "F16 stores each weight in 16 bits, without quantisation: the best quality and the largest file.",
     ("16 bits", "largest")),
    ("q2k", "Q2_K|q2_k|2-bit quantisation|Q3_K|very low quantisation|2-bit quants", (
        "(should|can) I use (Q2_K|Q3_K|2-bit|3-bit|2 bits)?", "how bad is (Q2_K|2-bit|Q3_K)?", "is (Q2_K|2-bit quantisation) good( enough|)?",
    ), "Q2_K and Q3_K lose much quality; a smaller model at Q4_K_M is mostly better.", ("lose much quality",)),
    ("kquant", "a K-quant|K-quants|k quants|the K-quants|the K in Q4_K_M", (
        "how do K-quants work?", "what does the (K|letter K) (in Q4_K_M |)(mean|stand for)?", "what makes K-quants better( than Q4_0|)?",
    ), "K-quants are formats of llama.cpp that work on super-blocks of 256 weights and give more bits to "
       "the important tensors.", ("256 weights",)),
    ("km", "the M in Q4_K_M|the letters S, M and L", (
        "what does the M (in Q4_K_M |)(mean|stand for)?", "(what is|what's) the difference between Q4_K_S and Q4_K_M?",
        "what do (S, M and L|S and M|_S and _M) mean( in K-quants|)?",
    ), "S, M and L mean small, medium and large: how many of the tensors get more bits.",
     ("small, medium and large",)),
    ("gguf", "GGUF|a GGUF file|gguf files|the GGUF format|.gguf", (
        "what is (inside|in) a GGUF file?", "(what|which) (file |)format does llama.cpp (use|read)?", "why do I need GGUF( files|)?",
    ), "GGUF is the file format of llama.cpp: one file with the weights, the tokenizer and the metadata.",
     ("file format of llama.cpp",)),
    ("imatrix", "an importance matrix|the importance matrix|imatrix|an imatrix|importance matrices", (
        "(why|when) (do I need|should I use) an (imatrix|importance matrix)?", "how does an (imatrix|importance matrix) (work|help)?",
        "does an (imatrix|importance matrix) (help|make quantisation better)?",
    ), "An importance matrix tells the quantiser which weights matter most, measured on sample text, so "
       "that low-bit files lose less.", ("which weights matter most",)),
    ("perplexity", "perplexity|ppl|the perplexity of a model", (
        "how is perplexity (measured|defined|computed)?", "is (low|lower|high|higher) perplexity (good|better|bad)?",
        "what does (a low|a high) perplexity (say|mean)?",
    ), "Perplexity says how surprised a model is by a text: lower is better.", ("lower is better",)),
    ("kl", "KL divergence|the KL divergence|Kullback-Leibler divergence|kld|KL", (
        "why (measure|use) KL divergence?", "how do I (measure|know|see) what a (quantised model|quantisation|quant) (loses|lost)?",
        "how is the (loss|damage|error) of quantisation measured?", "what does KL divergence (measure|tell|say)?",
    ), "KL divergence measures how far the predictions of a quantised model are from those of the "
       "original; zero means equal.", ("from those of the original",)),
    ("which_quant", "", (
        "(what|which) (quant|quantisation|quantization|format) (should|do|must) I (use|choose|take|pick)?",
        "(what|which) (quant|quantisation|quantization) is (best|the best|recommended|right)( for me|)?",
        "what (quant|quantisation) do you (recommend|suggest|advise)?",
        "(recommend|suggest) a (quant|quantisation|quantization)( for me|).", "which bit width (should I choose|is best)?",
        "how do I (choose|pick|select) (a|the) (right |)(quant|quantisation|quantization)?",
    ), "Take Q4_K_M first; if memory is left, Q5_K_M or Q6_K is closer to the original.", ("Q4_K_M first",)),
    ("q4vsq8", "", (
        "(Q4_K_M|Q4) or (Q8_0|Q8)?", "(Q8_0|Q8) or (Q4_K_M|Q4)?", "(what is|what's) the difference between (Q4_K_M|Q4) and (Q8_0|Q8)?",
        "(compare|how do) (Q4_K_M|Q4) (and|with) (Q8_0|Q8)( compare|).", "is (Q8_0|Q8) better than (Q4_K_M|Q4)?",
        "(should I take|which is better,) (Q4_K_M|Q4) or (Q8_0|Q8)?",
    ), "Q8_0 is closer to the original, but Q4_K_M is a little over half its size and so nearly twice "
       "as fast.", ("half its size", "fast")),
    ("bigorsmall", "", (
        "(a |)(bigger|larger) model (at|with) (a |)(low|lower) (quant|quantisation|bits) or (a |)smaller (one|model) (at|with) (a |)(high|higher) (quant|quantisation|bits)?",
        "is a large model at Q4_K_M better than a small (one|model) at Q8_0?",
        "should I (rather |)take more parameters or more bits?", "more parameters or more bits?",
    ), "A larger model at Q4_K_M is mostly better than a smaller one at Q8_0 of the same size.",
     ("larger model at Q4_K_M",)),
    ("quality_loss", "", (
        "how much (quality|accuracy) (is lost|do I lose|does it lose|gets lost) (with|by|at|through) (quantisation|quantization|quantising|Q4_K_M|4 bits)?",
        "does quanti(s|z)ation (hurt|harm|damage|reduce) (quality|the model|accuracy)?", "is a quanti(s|z)ed model (worse|less accurate|dumber)?",
        "do quanti(s|z)ed models (lose|get worse|make more mistakes)( quality|)?",
    ), "At Q4_K_M the loss is small, at Q8_0 hardly measurable; below 4 bits it grows quickly.",
     ("below 4 bits",)),
    ("rule", "", (
        "how (do|can) I (compute|calculate|estimate|work out|guess) (the |)(memory|size|RAM)( of a model| need|)?",
        "(what is|what's|is there) (the|a) (rule of thumb|formula) for (memory|model size|RAM)?",
        "how (is|does one compute) the size of a (quantised |)model( computed|)?", "formula for (the |)(model size|memory|file size)?",
    ), "Multiply the parameters by the bits per weight and divide by 8 for the bytes of the weights, "
       "then add the KV cache.", ("divide by 8", "KV cache")),
    ("bpw", "bits per weight|bpw|bits-per-weight", (
        "what does bpw (mean|stand for)?",
    ), "Bits per weight is the size of the file in bits divided by the number of weights.",
     ("divided by the number of weights",)),
    ("kvcache", "the KV cache|KV cache|a KV cache|kv-cache|the key value cache", (
        "why does the KV cache need memory?", "what is stored in the KV cache?", "how (big|large) is the KV cache?",
        "what does the KV cache (do|hold|keep)?", "why (do we|is there) (need |)a KV cache?",
    ), "The KV cache keeps the keys and values of earlier tokens, so that they are not computed again; "
       "it grows with the context.", ("earlier tokens", "grows with the context")),
    ("kvsize", "", (
        "how (big|large) is the KV cache (for|of) (a |)(7B|8B|Llama 3.1 8B|Mistral 7B)( model|)?",
        "how much (memory|RAM) does the KV cache (need|take|use)?", "KV cache memory( for 8B| for 7B|)?",
        "how many (bytes|kilobytes|kB) (per token|does a token take in the KV cache)?",
    ), "An 8B model needs about 131 kB of KV cache per token in F16, so about 0.5 GB for 4,096 tokens.",
     ("0.5 GB",)),
    ("kvquant", "KV cache quantisation|a quantised KV cache|quantising the KV cache", (
        "can (I|you|one) quanti(s|z)e the KV cache?", "how (do|can) I (shrink|make smaller) the KV cache?",
        "what does (an 8-bit|a Q8_0) KV cache (do|save|bring)?",
    ), "Yes, the KV cache can be stored as Q8_0, which halves its memory with little loss.", ("halves",)),
    ("context", "the context length|context length|the context window|a context window|the context", (
        "what happens when the context is full?", "why not (use|take) a (huge|very long) context?",
        "how long should (the|my) context be?",
    ), "The context length is the number of tokens a model can see at once; a longer one needs more "
       "memory.", ("tokens a model can see",)),
    ("prefill", "prefill|the prefill phase|prompt processing|prefilling", (
        "what happens during prefill?", "why is prefill fast(er than decode|)?", "what (limits|bounds) prefill?",
    ), "Prefill is reading the prompt: all its tokens are computed together, so it is bound by "
       "compute.", ("reading the prompt", "compute")),
    ("decode", "decode|decoding|the decode phase|token generation", (
        "what happens during decod(e|ing)?", "why is decod(e|ing) slow(er than prefill|)?", "what (limits|bounds) (decode|decoding|token generation|generation)?",
    ), "Decode is writing the answer one token at a time; each token reads all weights, so it is bound "
       "by memory bandwidth.", ("one token at a time", "memory bandwidth")),
    ("pre_dec", "", (
        "(what is|what's) the difference between prefill and decod(e|ing)?", "prefill (or|vs|versus|and) decode?",
        "how do prefill and decode differ?",
    ), "Prefill reads the whole prompt at once and is bound by compute; decode writes token by token "
       "and is bound by memory bandwidth.", ("compute", "memory bandwidth")),
    ("ttft", "TTFT|time to first token|the time to first token|ttft", (
        "how long until the first (token|word)( comes|)?", "what does TTFT (stand for|depend on)?", "how do I (lower|reduce) the (TTFT|time to first token)?",
    ), "TTFT is the time to first token: loading aside, it is the time the prefill of the prompt takes.",
     ("time to first token", "prefill")),
    ("tps", "tokens per second|tok/s|tokens/s|the token rate|t/s", (
        "how is (speed|the speed of a model) measured?", "how many tokens per second (is|are) (good|enough|fast enough|comfortable)?",
        "what does tok/s (mean|measure)?", "what speed do I need to read along?",
    ), "Tokens per second is the speed of an answer; about 5 to 10 tok/s is as fast as most people read.",
     ("5 to 10 tok/s",)),
    ("bandwidth", "memory bandwidth|the memory bandwidth|bandwidth", (
        "why does (memory |)bandwidth matter?", "why is (memory |)bandwidth (so |)important( for LLMs| for speed|)?",
        "what (decides|determines|limits|sets) the speed (of a model|of an LLM|of generation|of decoding)?",
        "what makes (a device|a model|generation|an LLM) fast?",
    ), "Memory bandwidth decides the speed of decoding, because every token reads all the weights from "
       "memory once.", ("reads all the weights",)),
    ("speed_rule", "", (
        "how (can|do) I (estimate|predict|compute|calculate|guess) (the speed|tokens per second|tok/s)( of a model|)?",
        "(is there|what is) a (formula|rule of thumb|rule) for (the speed|tokens per second|tok/s)?",
        "how does edgellm predict (the speed|tokens per second)?",
    ), "Divide the usable memory bandwidth by the bytes read per token: 10 GB/s over 5 GB of weights "
       "gives 2 tok/s.", ("2 tok/s", "bandwidth")),
    ("token", "a token|tokens", (
        "how long is a token?", "how many (words|characters|letters) is a token?", "how many tokens (are in|has) a word?",
    ), "A token is a piece of text, in English about four characters or three quarters of a word.",
     ("four characters",)),
    ("tokenizer", "a tokenizer|tokenizers|the tokenizer|BPE|byte-level BPE", (
        "what does a tokenizer do?", "how does (a tokenizer|BPE) work?", "which tokenizer does pocket use?",
    ), "A tokenizer cuts text into tokens; pocket uses byte-level BPE with 4,096 tokens.", ("cuts text into tokens",)),
    ("temperature", "temperature|the temperature setting|sampling temperature|temperature in sampling", (
        "(which|what) temperature should I (use|set|choose)?", "what does (the |)temperature (do|change)( in sampling|)?",
        "how do I make answers (less random|more stable|deterministic)?",
    ), "Temperature sets how random the choice of tokens is: 0 always takes the likeliest token.",
     ("random", "likeliest")),
    ("greedy", "greedy decoding|greedy sampling", (), "Greedy decoding always takes the likeliest next token.",
     ("likeliest",)),
    ("topp", "top-p|top p|nucleus sampling|top-p sampling", (
        "what does top_p do?",
    ), "Top-p sampling draws only from the likeliest tokens that together have the probability p.",
     ("together have the probability",)),
    ("gqa", "GQA|grouped-query attention|grouped query attention", (
        "why is GQA useful?", "how does (GQA|grouped-query attention) save memory?",
    ), "Grouped-query attention lets several query heads share one key and value head, which makes the "
       "KV cache smaller.", ("share one key and value head",)),
    ("moe", "a mixture of experts|mixture of experts|MoE|an MoE model|MoE models", (
        "why are MoE models fast?", "how much memory does an MoE (model |)need?", "what does A3B mean?",
    ), "A mixture of experts uses only a few of its experts per token: it needs memory for all of them "
       "but reads few, so it is fast.", ("few of its experts",)),
    ("specdec", "speculative decoding|a draft model|drafting", (
        "how does speculative decoding work?", "why is speculative decoding fast(er|)?",
    ), "In speculative decoding a small model drafts tokens and the large one checks several of them at "
       "once.", ("drafts tokens",)),
    ("chattemplate", "a chat template|the chat template|chat templates|ChatML", (
        "why do I need a chat template?", "what does a chat template do?", "which chat template does pocket use?",
    ), "A chat template turns the messages of a chat into the one text a model reads; pocket uses "
       "ChatML.", ("turns the messages",)),
    ("systemprompt", "a system prompt|the system prompt|system prompts|a system message", (
        "what does the system prompt do?",
    ), "A system prompt is the first message of a chat; it tells the model how to behave.",
     ("how to behave",)),
    ("params", "parameters|the parameters of a model|model parameters|the weights of a model|weights", (
        "what does 7B (mean|stand for)?", "what does the B in (7B|8B|3B) (mean|stand for)?", "how many parameters (has|does) a 7B model( have|)?",
    ), "Parameters are the learned numbers of a model; 7B means seven billion of them.", ("learned numbers",)),
    ("distill", "distillation|knowledge distillation|a distilled model", (),
     "Distillation trains a small model to imitate a larger one.", ("imitate a larger one",)),
    ("finetune", "fine-tuning|finetuning|LoRA|fine tuning", (
        "can I (fine-tune|train) (a model|pocket)( myself| on my device|)?",
    ), "Fine-tuning trains an existing model further on your own text; LoRA does it with few extra "
       "weights.", ("existing model further",)),
    ("mmap", "mmap|memory mapping|memory-mapped files", (
        "why does (a model|llama.cpp) load so fast?", "why is mmap (used|useful)?",
    ), "With mmap the system reads the model file into memory only as it is needed, so loading is fast.",
     ("only as it is needed",)),
    ("threads", "", (
        "how many threads should I use( on a Pi 5| on a Raspberry Pi 5|)?", "(what|which) (number of threads|thread count) is (best|fastest)( on a Pi 5|)?",
        "does using more threads help?", "how many threads are best?",
    ), "Use about as many threads as there are real cores; on a Raspberry Pi 5 decoding is fastest "
       "with 3.", ("real cores", "with 3")),
    ("gpu_offload", "GPU offload|offloading layers|GPU layers|n_gpu_layers", (
        "how many layers should I put on the GPU?", "what does n_gpu_layers do?",
    ), "GPU offload keeps some or all layers of the model in GPU memory, where they run faster.",
     ("GPU memory",)),
    ("batch", "batching|continuous batching|batched decoding", (
        "can the server answer several (users|requests) at once?", "why does batching help?",
    ), "Batching answers several requests together, so that the weights are read once for all of them.",
     ("read once for all",)),
    ("embedding", "an embedding|embeddings|an embedding model", (),
     "An embedding is a list of numbers that stands for the meaning of a text.", ("list of numbers",)),
    ("rag", "RAG|retrieval-augmented generation|retrieval augmented generation", (
        "how does RAG work?",
    ), "RAG looks up matching passages in your documents first and puts them into the prompt.",
     ("passages",)),
    ("prompt_cache", "prompt caching|the prompt cache|prefix caching|a prefix cache", (
        "why is the second (question|turn|answer) faster?",
    ), "Prompt caching keeps the KV cache of the earlier turns, so that only the new text is "
       "prefilled.", ("only the new text",)),
    ("safetensors", "safetensors|a safetensors file", (
        "how do I turn safetensors into GGUF?",
    ), "Safetensors is the file format in which most models are published; it is converted to GGUF for "
       "llama.cpp.", ("converted to GGUF",)),
    ("transformer", "a transformer|transformers|the transformer architecture", (),
     "A transformer is a network of layers of attention and feed-forward blocks; nearly all LLMs are "
     "transformers.", ("attention",)),
    ("attention", "attention|self-attention|the attention mechanism", (
        "what does attention do?",
    ), "Attention lets each token look at the earlier tokens and take what it needs from them.",
     ("look at the earlier tokens",)),
    ("npu", "an NPU|NPUs|a neural processing unit|an AI accelerator", (
        "what does NPU (stand for|mean)?", "do I need an NPU?", "does an NPU make (LLMs|it|a model) faster?",
    ), "An NPU is a chip for neural networks that saves power; decoding is still limited by memory "
       "bandwidth.", ("chip for neural networks",)),
    ("tops", "TOPS|tera operations per second", (
        "what does TOPS (stand for|mean)?", "do more TOPS (mean|give) (more speed|more tokens per second|a faster LLM)?",
    ), "TOPS means tera operations per second; it helps prefill, but decoding depends on memory "
       "bandwidth.", ("tera operations per second",)),
)
