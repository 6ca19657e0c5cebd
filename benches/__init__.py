"""Measurements, run from the top of the repository: `python -m benches.<name>`."""
