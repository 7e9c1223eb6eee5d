"""`python -m her2` is the `her2` command."""

from her2.cli.command_line import main

main()
