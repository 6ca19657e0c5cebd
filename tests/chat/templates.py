"""Compact chat templates in the shapes of real ones: what they want, and what they leave out."""

# ruff: noqa: E501 - a line of a template is a line of the prompt

from __future__ import annotations

# Qwen 3: all of it, reasoning by a variable.
QWEN3 = """\
{%- if tools %}<|im_start|>system
<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools> <tool_call><|im_end|>
{% endif %}
{%- for m in messages %}<|im_start|>{{ 'user' if m.role == 'tool' else m.role }}
{%- if m.role == 'assistant' and m.reasoning_content is string %}
<think>
{{ m.reasoning_content }}
</think>
{%- endif %}
{{ '<tool_response>' ~ m.content ~ '</tool_response>' if m.role == 'tool' else m.content }}
{%- for call in m.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""

# Qwen3-Coder: iterates over the arguments.
QWEN3_CODER = """\
{%- for tool in tools or [] %}{{ tool.function.name }}
{% for name, schema in tool.function.parameters.properties | items %}<parameter={{ name }}>
{% endfor %}{% endfor %}
{%- for m in messages %}[{{ m.role }}]{{ m.content }}
{%- for call in m.tool_calls or [] %}<function={{ call.function.name }}>
{%- for name, value in call.function.arguments | items %}<parameter={{ name }}>{{ value }}
{%- endfor %}{% endfor %}
{% endfor %}"""

# Llama 3.2: one call a turn, results from `ipython`.
LLAMA3 = """\
{%- if tools is not none %}{% for tool in tools %}{{ tool | tojson(indent=4) }}{% endfor %}{% endif -%}
{%- for m in messages %}
{%- if 'tool_calls' in m %}
{%- if m.tool_calls | length != 1 %}{{ raise_exception('single tool-calls only') }}{% endif %}
<|start_header_id|>assistant{"name": "{{ m.tool_calls[0].function.name }}", "parameters": \
{{ m.tool_calls[0].function.arguments | tojson }}}<|eot_id|>
{%- else %}
<|start_header_id|>{{ 'ipython' if m.role == 'tool' else m.role }} {{ m.content | trim }}<|eot_id|>
{%- endif %}{% endfor %}"""

# gpt-oss: shows the first call of a turn only, takes its name for the next result, and refuses
# reasoning beside content.
HARMONY = """\
{%- set last = namespace(name=none) %}
{%- for tool in tools or [] %}type {{ tool.function.name }} = // {{ tool.function.description }}
{% endfor %}
{%- for m in messages %}
{%- if m.role == 'assistant' and 'tool_calls' in m %}
{%- if m.content and m.thinking %}{{ raise_exception('not both') }}{% endif %}
{%- set call = m.tool_calls[0].function %}{% set last.name = call.name %}
{%- if m.thinking %}<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}
<|start|>assistant to=functions.{{ call.name }}<|message|>{{ call.arguments | tojson }}<|call|>
{%- elif m.role == 'tool' %}<|start|>functions.{{ last.name }}<|message|>{{ m.content | tojson }}<|end|>
{%- else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}
{%- endfor %}"""

# Mistral: ids of nine letters and digits, roles that alternate.
MISTRAL = """\
{%- for m in messages %}
{%- if m.role == 'user' %}
{%- if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST]{{ m.content }}[/INST]
{%- elif m.tool_calls %}[TOOL_CALLS][
{%- for call in m.tool_calls %}
{%- if call.id | length != 9 %}{{ raise_exception('ids of length 9') }}{% endif %}
{{- call.function | tojson }} id {{ call.id }},
{%- endfor %}]
{%- elif m.role == 'tool' %}
{%- if m.tool_call_id | length != 9 %}{{ raise_exception('ids of length 9') }}{% endif -%}
[TOOL_RESULTS]{{ m.content }} of {{ m.tool_call_id }}[/TOOL_RESULTS]
{%- else %}{{ m.content }}{% endif %}
{%- endfor %}"""

# The distills of DeepSeek R1: no tools, arguments as text, calls where there is no content.
DEEPSEEK = """\
{%- for m in messages %}
{%- if m.role == 'system' %}{{ m.content }}{% endif %}
{%- if m.role == 'user' %}<｜User｜>{{ m.content }}{% endif %}
{%- if m.role == 'assistant' and m.content is none %}<｜Assistant｜><｜tool▁calls▁begin｜>
{%- for call in m.tool_calls %}{{ call.function.name + '\\n' + call.function.arguments }}{% endfor %}
{%- elif m.role == 'assistant' %}<｜Assistant｜>{{ m.content }}{% endif %}
{%- if m.role == 'tool' %}<｜tool▁output▁begin｜>{{ m.content }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<｜Assistant｜><think>
{% endif %}"""

# Gemma 3: no tools, the system turn goes into the first one, roles alternate.
GEMMA3 = """\
{%- set first = '' %}
{%- if messages[0].role == 'system' %}
{%- set first = messages[0].content + '\\n\\n' %}{% set messages = messages[1:] %}
{%- endif %}
{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}{% endif -%}
<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}
{{ (first if loop.first else '') + m.content | trim }}<end_of_turn>
{% endfor %}
{%- if add_generation_prompt %}<start_of_turn>model
{% endif %}"""

# Gemma 2: refuses a system turn.
GEMMA2 = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + GEMMA3
)

# Gemma 4: finds the name of a result, writes its own notation.
GEMMA4 = """\
{%- for tool in tools or [] %}<|tool>declaration:{{ tool.function.name }}<tool|>{% endfor %}
{%- for m in messages %}
{%- if m.role == 'tool' %}<|tool_response>response:{{ m.get('name') }}{value:{{ m.content }}}
{%- else %}<|turn>{{ m.role }} {{ m.content }}{% endif %}
{%- for call in m.tool_calls or [] %}<|tool_call>call:{{ call.function.name }}{
{%- for key, value in call.function.arguments | dictsort %}{{ key }}:<|"|>{{ value }}<|"|>{% endfor -%}
}<tool_call|>{% endfor %}
{%- endfor %}"""

# Granite 3.3: shows the tools, and of each turn its content only.
GRANITE = """\
{%- if tools %}<|start_of_role|>available_tools<|end_of_role|>{{ tools | tojson }}{% endif %}
{%- for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m['content'] + '<|end_of_text|>' }}
{%- endfor %}"""

# LFM2: as Granite, with marks of its own.
LFM2 = """\
{%- if tools %}List of tools: <|tool_list_start|>{{ tools | tojson }}<|tool_list_end|>{% endif %}
{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}"""

# Phi-4-mini: the tools are text of the system turn.
PHI4 = """\
{%- for m in messages %}
{%- if m.role == 'system' and 'tools' in m and m.tools is not none -%}
<|system|>{{ m.content }}<|tool|>{{ m.tools }}<|/tool|><|end|>
{%- else %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""

ALL = {
    "deepseek": DEEPSEEK,
    "gemma2": GEMMA2,
    "gemma3": GEMMA3,
    "gemma4": GEMMA4,
    "granite": GRANITE,
    "harmony": HARMONY,
    "lfm2": LFM2,
    "llama3": LLAMA3,
    "mistral": MISTRAL,
    "phi4": PHI4,
    "qwen3": QWEN3,
    "qwen3_coder": QWEN3_CODER,
}
