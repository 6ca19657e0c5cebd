"""Finds, by measuring, the engine parameters that suit a device and a model, and remembers them."""
