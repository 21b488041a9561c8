"""`python -m asmg`: the command line, for where the console script is not on the path."""

from asmg.cli import main

main()
