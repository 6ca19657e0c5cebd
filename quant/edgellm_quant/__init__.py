"""The quantisation sub-tool: makes smaller model files and measures what that cost.

The built-in model's own tools are in `quant/builtin/`.
"""
