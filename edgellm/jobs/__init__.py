"""Quantisation jobs as they lie on the disk: what was asked, what happened, who works on it.

The jobs are done by `edgellm_quant`, which writes here; the server and the CLI read here.
"""
