"""`python -m octile` is the command-line program."""

from octile._cli import main

main()
