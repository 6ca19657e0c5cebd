"""edgellm: a local language model server that picks, fetches and serves the model that fits."""


def __getattr__(name: str) -> str:
    """`edgellm.__version__`, looked up when asked for: importlib.metadata takes 30 ms."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("edgellm")
        except PackageNotFoundError:  # a source tree that was never installed
            return "0+unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
