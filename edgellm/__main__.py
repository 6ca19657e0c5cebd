"""`python -m edgellm` is the same as the command `edgellm`."""

from edgellm.cli.main import main

main()
