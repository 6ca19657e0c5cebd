"""The command line: one file per command. `main.main` is the program's entry point."""
