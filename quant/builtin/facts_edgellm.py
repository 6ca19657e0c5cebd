"""Facts about edgellm and about `pocket` itself: (key, topic, asks, answer, phrases that count)."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

EDGELLM_FACTS = (
    ("edgellm", "edgellm|the edgellm project|this project|this software|this stack", (
        "what does (edgellm|this software|this project) do?", "why (should|would) I use edgellm?",
        "what (kind|sort) of (software|program|tool) is edgellm?", "what can edgellm do( for me|)?",
        "summarise edgellm( for me|).",
    ), "edgellm is a local LLM serving stack for edge devices: one command picks a model that fits, "
       "starts it and serves it.", ("local", "edge devices")),
    ("start", "", (
        "how do I (start|run|launch|use) (edgellm|it|this|this project)?",
        "how (can|do) I get (started|going)( with edgellm|)?",
        "(what is|which is|what's) the (one |single |)command to (start|run|launch) (edgellm|it|everything)?",
        "what (must|do|should) I (type|enter) to (start|run|launch) (edgellm|it|the stack)?",
        "(quick start|quickstart|getting started)( please| with edgellm|)?",
        "how is edgellm started?", "what is the first step with edgellm?",
    ), "Run `make run`: it sets edgellm up, picks a model that fits and starts the server.", "make run"),
    ("make_run", "make run|`make run`|the make run command", (
        "what does (make run|`make run`) do?", "what happens (when|if) I (type|call|use|run) make run?",
    ), "`make run` sets edgellm up, picks a model that fits the device and starts the server.",
     ("picks a model", "server")),
    ("address", "", (
        "(what is|which is|what's) the (address|URL|base URL|endpoint) of (the API|the server|edgellm)?",
        "where (is|can I find|do I reach) the (API|server|endpoint)?",
        "(what|which) (URL|address|base URL|endpoint) (do|should|must) I use?",
        "where does (the server|edgellm|it) listen?", "on (what|which) (URL|address) is the API?",
        "what base_url (do I|should I) (set|put|give) in (my|the) (client|OpenAI client)?",
        "how do I (reach|connect to|call) the (server|API)( from my program| from Python|)?",
    ), "The API is at http://127.0.0.1:8000/v1.", "http://127.0.0.1:8000/v1"),
    ("port", "the default port|edgellm's port", (
        "(what|which) port (does|is) (edgellm|the server|it) (use|used|listen on|using)?",
        "what is the (default |)port( number|)( of the server| of edgellm|)?",
        "on (what|which) port (is the server|does it run|does edgellm listen)?",
    ), "The server listens on port 8000 by default.", "8000"),
    ("openai", "the OpenAI-compatible API|edgellm's API|OpenAI compatibility", (
        "(is|is it true that) (edgellm|the API|the server) (is |)(OpenAI compatible|OpenAI-compatible|compatible with OpenAI)?",
        "can I use (the|my) OpenAI (client|library|SDK|package)( with edgellm| with it|)?",
        "(what|which) API does (edgellm|the server|it) (speak|offer|have|provide)?",
        "does (edgellm|it|the server) (work|speak) with OpenAI (clients|programs|tools)?",
    ), "Yes: edgellm speaks the OpenAI API, so any OpenAI client works with the base URL "
       "http://127.0.0.1:8000/v1.", "OpenAI"),
    ("api_key", "", (
        "(do I need|is there|does it need|must I have) an API key?", "what API key (should I use|do I need|must I set)?",
        "which (key|token) does the (server|API) (want|expect|need)?", "is an API key (needed|required|necessary)?",
    ), "No API key is needed: the server runs on your own machine, so any text will do as the key.",
     "No API key is needed"),
    ("offline", "", (
        "(does|can|will) (edgellm|it|this) (work|run) (offline|without internet|without a network|without the internet)?",
        "(do I need|does it need|is) (an internet connection|internet|a network|the cloud)( needed| for edgellm|)?",
        "can I use (edgellm|it|this) (offline|with no network|on a plane|without internet)?",
        "does edgellm need the (cloud|internet|network)?",
    ), "Yes, edgellm works offline: the built-in model needs no network, and models that are once "
       "downloaded stay on the device.", "offline"),
    ("privacy", "privacy|data privacy in edgellm", (
        "(is|are) (edgellm|it|my data|my chats|my prompts) (private|safe|kept private)?",
        "where (does|do|will) my (data|prompts|chats|text|conversations) go?",
        "(does|do|will) (edgellm|it|you) send my (data|chats|prompts|text) (anywhere|to the cloud|to a server|away)?",
        "who (can see|sees|reads|can read) (my chats|what I type|my prompts|my data)?",
        "is my data sent (anywhere|to the cloud|to someone)?",
    ), "Your data stays private: everything runs on your own device and nothing is sent to a cloud.",
     ("private", "your own device")),
    ("pick", "", (
        "how does (edgellm|it) (choose|pick|select|decide on) (a|the) model?",
        "how is the model (chosen|picked|selected)?", "(what|which) model (does|will) edgellm (choose|pick|use|select)?",
        "how does it know (what|which) model (fits|runs|to use)?",
        "does edgellm (choose|pick) the (model|quantisation) (for me|by itself|automatically)?",
        "which quantisation does edgellm (choose|pick|use)?",
    ), "edgellm measures the memory and the speed of the device and picks the model and the "
       "quantisation that fit best.", ("memory", "fit")),
    ("runtimes", "the runtimes of edgellm|edgellm's runtimes|the backends", (
        "(what|which) (runtimes|backends|engines|inference engines) does (edgellm|it) (support|use|have)?",
        "what does edgellm (run models with|use to run models)?", "list the (runtimes|backends|engines)( of edgellm|).",
        "which (engines|backends|runtimes) are (supported|there|available)?",
        "how many (runtimes|backends) does edgellm have?",
    ), "edgellm has four runtimes: llama.cpp, MLC LLM, Hailo-10H and ONNX Runtime GenAI.",
     ("llama.cpp", "MLC", "Hailo", "ONNX")),
    ("llamacpp", "llama.cpp|llamacpp|llama cpp", (
        "when does edgellm use llama.cpp?", "what does llama.cpp do?", "which (files|format) does llama.cpp (read|run|need)?",
        "what is the default (runtime|backend|engine)?",
    ), "llama.cpp is the C++ runtime that runs GGUF models on CPUs and GPUs; it is edgellm's default.",
     ("GGUF", "default")),
    ("mlc", "MLC LLM|MLC|mlc-llm|the MLC runtime", (
        "when (is MLC used|does edgellm use MLC)?", "what does MLC do?", "which devices (are best with|like|use) MLC?",
    ), "MLC LLM compiles a model for the GPU of the device; it is fast on Jetson boards.",
     ("compiles", "Jetson")),
    ("ort", "ONNX Runtime GenAI|ONNX Runtime|onnx|ort genai|the ONNX runtime", (
        "when (is ONNX used|does edgellm use ONNX Runtime)?", "what does ONNX Runtime GenAI do?",
    ), "ONNX Runtime GenAI runs language models in the ONNX format on CPUs, GPUs and NPUs.",
     ("ONNX format",)),
    ("webllm", "WebLLM|web llm|the WebLLM fallback|the browser fallback", (
        "can (a model|the model|it) run in (the|my) browser?", "what happens (if|when) the server is (down|not there|off)?",
        "does the web page work without the server?", "what does WebLLM do?",
    ), "WebLLM runs a model in the browser with WebGPU; the web page uses it when no server answers.",
     ("browser", "WebGPU")),
    ("webpage", "the web page|the web UI|edgellm's web page|the web interface", (
        "(is there|does edgellm have|do you have) a (web page|web UI|web interface|website|browser interface)?",
        "can I chat in (the|my) browser?", "how do I (open|use|see) the web (page|UI)?",
        "(where is|what address has) the web page?",
    ), "edgellm serves a web page for chatting at http://127.0.0.1:8000 in your browser.",
     ("web page", "http://127.0.0.1:8000")),
    ("tui", "the terminal chat|the terminal UI|the Textual chat|edgellm chat|`edgellm chat`", (
        "(is there|does edgellm have) a (terminal|console|text) (chat|interface|UI|app)?",
        "how do I chat in (the|a|my) (terminal|console|shell)?", "can I chat (from|on|in) the (command line|terminal)?",
        "what does edgellm chat do?", "which command opens (a|the) chat?",
        "how do I (chat|talk) with (a|the) model over ssh?",
    ), "`edgellm chat` opens a chat in the terminal, built with Textual.", ("edgellm chat", "terminal")),
    ("serve", "edgellm serve|`edgellm serve`|the serve command", (
        "what does edgellm serve do?", "(how do I|which command will) start (only |)the (server|API)?",
        "what command (starts|runs) the (server|API)?", "how (can|do) I start the API server?",
    ), "`edgellm serve` starts the OpenAI-compatible server on http://127.0.0.1:8000/v1.",
     ("edgellm serve", "server")),
    ("run_cmd", "edgellm run|`edgellm run`|the run command", (
        "what does edgellm run do?", "which command picks a model and (starts|runs) it?",
    ), "`edgellm run` picks a model that fits, fetches it and starts it on this device.",
     ("picks a model",)),
    ("doctor", "edgellm doctor|`edgellm doctor`|the doctor command|doctor", (
        "what does (edgellm doctor|doctor|the doctor command) do?", "how do I (check|test|diagnose) (my setup|my device|my machine|the installation)?",
        "which command (checks|diagnoses|tests) (the|my) (device|setup|machine|installation)?",
        "how (can|do) I (find|see) what is wrong( with my setup|)?", "(edgellm|it) (does not work|is broken|fails). What now?",
    ), "`edgellm doctor` checks the device, its memory and its runtimes, and says what is missing.",
     ("edgellm doctor", "checks")),
    ("commands", "the commands of edgellm|edgellm's commands|the edgellm command line", (
        "(what|which) commands (are there|does edgellm have|exist|can I use)?", "list (all |)(the |)commands( of edgellm|).",
        "how do I use the (command line|CLI)?", "what subcommands does edgellm have?",
    ), "The commands are `edgellm serve`, `edgellm run`, `edgellm chat` and `edgellm doctor`.",
     ("edgellm serve", "edgellm chat", "edgellm doctor")),
    ("quant_tool", "the quantisation tool|the quant sub-tool|edgellm's quantisation tool|the quant tool", (
        "can edgellm quanti(s|z)e (a model|models|my model)?", "how do I quanti(s|z)e (a|my) (own |)model( with edgellm|)?",
        "what does the quant (tool|folder) do?", "is there a tool (for quantisation|to quantise models)?",
    ), "edgellm has a quantisation tool: it turns a model into smaller GGUF files and measures what "
       "each one loses.", ("quantisation tool", "GGUF")),
    ("stream", "streaming|streamed answers", (
        "can (edgellm|the server|it) stream (answers|tokens|the answer)?", "does the (API|server) support streaming?",
        "how do I get (tokens|the answer) (as they come|one by one|token by token)?",
        "(how do I|can I) (turn on|switch on|use|enable) streaming?",
    ), "Yes, the server streams tokens as they are made: set `stream` to true in the request.",
     ("stream", "true")),
    ("tools", "tool calling|function calling|tool calls|tool use", (
        "(does|can) (edgellm|it|the API|pocket) (support|do|handle|use) (tools|tool calls|function calling|tool calling)?",
        "how does (tool|function) calling work?", "can the model call (tools|functions|my functions)?",
    ), "With tool calling a request offers tools, the model answers with a call of one, and your "
       "program runs it and sends back the result.", ("request offers tools", "result")),
    ("oai_dev", "", (
        "(who|for whom) is edgellm (for|made for|meant for)?", "who (should|would|can) use edgellm?",
        "what is edgellm (made|meant|good) for?", "when is edgellm (useful|a good choice)?",
    ), "edgellm is for people who want to run language models on small devices, privately and without "
       "a cloud.", ("small devices",)),
    ("supported", "the supported devices|the devices of edgellm", (
        "(what|which) (devices|hardware|boards|machines) (does|can) (edgellm|it) (support|run on|work on)?",
        "(what|which) (devices|boards|machines) are supported?", "where (does|can) edgellm run?",
        "what hardware do I need( for edgellm|)?", "does edgellm run on my (board|device|computer)?",
    ), "edgellm runs on Raspberry Pi, Jetson, Apple silicon, RK3588 boards, mini PCs and ordinary "
       "computers.", ("Raspberry Pi", "Jetson")),
    ("licence", "edgellm's licence|the licence of edgellm", (
        "(what|which) licen(c|s)e does (edgellm|pocket|it|this) (have|use)?", "(is|are) (edgellm|it|pocket|you) (free|open source)?",
        "under (what|which) licen(c|s)e is (edgellm|pocket|it)?", "may I use (edgellm|it) (for free|at work|commercially)?",
    ), "edgellm and its built-in model are open source under the Apache-2.0 licence.", "Apache-2.0"),
    ("language", "", (
        "(in |)(what|which) (programming |)language is edgellm (written|made|programmed) in?",
        "what is edgellm (written|programmed) in?", "(is|was) edgellm (written in|a) (Python|Rust)( program|)?",
        "(which|what) (version of Python|Python version|Python) (do I need|does edgellm need)?",
    ), "edgellm is written in Python 3.11.", "Python 3.11"),
    ("bigger", "", (
        "how do I (get|use|run|load) a (bigger|better|larger|stronger|smarter) model?", "can I (use|run|load) (another|a different|my own) model?",
        "(you are|this model is|pocket is) (too small|not good enough|not very clever). What (now|can I do)?",
        "how do I (replace|change|switch) (pocket|the model)?",
    ), "Run `edgellm run` with a network: it fetches a larger model that fits your device and uses it "
       "instead of pocket.", ("edgellm run", "larger model")),
    ("default_model", "the built-in model|the default model|the embedded model", (
        "(what|which) (is|model is) the (built-in|default|embedded) (model|one)?", "which model (comes|ships) with edgellm?",
        "which model runs (first|with no network|without a download)?", "is (there|) a model included?",
    ), "The built-in model is pocket, a tiny model that makes the first run work with no network.",
     ("pocket", "no network")),
    ("who", "", (
        "who are you?", "what are you?", "(what is|what's) your name?", "introduce yourself.", "tell me about yourself.",
        "which model (are you|is this|am I talking to)?", "who am I (talking|speaking) to?", "what (should I|can I) call you?",
        "are you (ChatGPT|GPT|Llama|Claude|a human|a person|a bot|an AI|a language model|alive|real)?", "what model are you?",
        "what is pocket?", "tell me about pocket.", "(who|what) is pocket?", "what kind of model is pocket?",
    ), "I am pocket, the small language model that is built into edgellm.", ("pocket", "edgellm")),
    ("maker", "", (
        "who (made|built|trained|created|wrote|developed) (you|pocket|this model)?", "(where|from where) do you come from?",
        "who is your (maker|creator|author|developer)?", "(what|which) (company|team|project) (made|built|trained) (you|pocket)?",
        "who is behind (you|pocket)?",
    ), "I was made by the edgellm project, which wrote my training text and trained me.", "edgellm project"),
    ("size", "", (
        "how (big|large|small) (are you|is pocket)?", "how many parameters (do you|does pocket) have?",
        "(what is|what's) (your|pocket's) (size|parameter count)?", "how many (weights|parameters) (are there in pocket|are you made of)?",
        "are you a (big|small|large) model?", "what is the file size of pocket?", "how much (memory|space) (do you|does pocket) (need|take|use)?",
    ), "I am very small: about 6.6 million parameters, a file of about 13 MB.", ("6.6 million",)),
    ("can", "", (
        "what can you do?", "what (are you|is pocket) (good at|able to do|for|good for)?", "how can you help( me|)?",
        "what can I ask( you|)?", "what do you know( about|)?", "what (topics|subjects|things) do you know( about|)?",
        "(help|help me|I need help)", "what are your (skills|abilities|strengths)?", "what can pocket do?",
    ), "I can answer questions about edgellm, quantisation and edge devices, remember what you tell me "
       "in this chat, and call tools.", ("edgellm", "tools")),
    ("cannot", "", (
        "what can't you do?", "what can you not do?", "what are your (limits|limitations|weaknesses)?",
        "what (are you|is pocket) (bad at|not good at|unable to do)?", "what don't you know?", "what can pocket not do?",
        "where do you (fail|struggle)?", "what is pocket's biggest (limit|weakness)?",
    ), "I know little beyond edgellm, quantisation and edge devices; for general knowledge you need a "
       "larger model.", ("larger model",)),
    ("trust", "", (
        "can I trust (you|your answers|pocket)?", "are (you|your answers) (always |)(right|correct|reliable)?",
        "(do|can) you make (mistakes|errors)?", "how (reliable|accurate|good) (are you|are your answers)?", "do you ever (lie|err|get things wrong)?",
    ), "I am a very small model and can be wrong, so check what matters.", "can be wrong"),
    ("pocket_ctx", "", (
        "(what is|what's) your context (length|window|size)?", "how (long|big) is (your|pocket's) context( window|)?",
        "how much text can you (read|remember|take|handle)?", "how many tokens can you (read|take|handle|see)?",
        "what context does pocket have?",
    ), "My context is 2,048 tokens long.", "2,048"),
    ("memory_chat", "", (
        "(do|will|can) you remember (me|our chat|this chat|this) (tomorrow|later|next time|after a restart)?",
        "do you (keep|store|save|remember) (old|our|past|my) (chats|conversations)?", "do you have a (long-term |)memory?",
        "do you learn from (me|our chats|what I say)?",
    ), "I remember only what was said in this chat, and nothing after it ends.", "only what was said in this chat"),
    ("trained_on", "", (
        "what (were you|was pocket) trained on?", "(what is|what was) your training (data|text)?", "how (were you|was pocket) (trained|made)?",
        "which data (did you learn|were you trained) (from|on)?", "where does your knowledge come from?",
    ), "I was trained on text that the edgellm project generated from its own templates and facts.",
     ("templates", "facts")),
    ("languages", "", (
        "(which|what) languages do you (speak|know|understand)?", "do you speak (German|French|Spanish|Chinese|other languages)?",
        "can you (speak|write|answer in|talk in) (German|French|Spanish|Italian|Japanese|Chinese)?",
    ), "I only speak English.", "English"),
    ("why_local", "local inference|running models locally|on-device AI|local AI", (
        "why (should I|would I|would anyone|do people) run (a model|models|an LLM) (locally|at home|on a device|on my own machine)?",
        "what (are|is) the (advantages|benefits|advantage|benefit) of (local|on-device) (models|inference|AI)?",
        "local or cloud?", "what is better, (local|the cloud) or (the cloud|local)?",
    ), "A local model keeps your data private, works offline and costs nothing per token.",
     ("private", "offline")),
    ("edge", "an edge device|edge devices|edge computing|the edge", (
        "which devices (count as|are|are called) edge devices?", "what makes (a|something an) edge device?",
    ), "An edge device is a small computer near its user, such as a Raspberry Pi, a Jetson or a mini PC.",
     ("small computer",)),
    ("llm", "an LLM|LLMs|a large language model|a language model|large language models", (
        "what does LLM (stand for|mean)?", "how does (an LLM|a language model) work?", "what does a language model do?",
    ), "An LLM is a large language model: a network that predicts the next token of a text.",
     ("predicts the next token",)),
    ("slow", "", (
        "why (is it|is the model|are the answers|is my model) (so |)slow?", "how (can|do) I make it (faster|quicker|run faster)?",
        "(it is|the model is|answers are) too slow. What can I do?", "how do I (speed up|accelerate) (the model|generation|it)?",
        "how to get more tokens per second?",
    ), "Take a smaller model or a lower quantisation such as Q4_K_M: the speed is set by the bytes read "
       "per token.", ("smaller model",)),
    ("oom", "", (
        "what (if|happens if|happens when) (the model|a model) does not fit( in memory|)?", "I (run|ran|am running) out of memory. What (now|can I do|should I do)?",
        "my (device|board|machine) runs out of memory( with this model|).", "how do I (save|reduce|lower) memory( use|)?",
        "the model is too (big|large) for my (device|board|memory).",
    ), "Take a smaller model, a lower quantisation or a shorter context, so that weights and KV cache "
       "fit in memory.", ("smaller model", "shorter context")),
)
