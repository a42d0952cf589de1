"""`python -m quietline.cli`."""

from quietline.cli import main

main()
