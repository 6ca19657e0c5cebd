"""edgellm: a local language model server that picks, fetches and serves the model that fits."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("edgellm")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
