"""The engine process: completes text. Knows tokens, slots and sampling, but no JSON and no chat.

Started as `python -m edgellm.engine`; speaks `edgellm.protocol` on its standard input and output.
"""
