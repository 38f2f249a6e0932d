"""`python -m octile.serve`: the command line of octile-serve."""

from octile._serve_cli import main

main()
