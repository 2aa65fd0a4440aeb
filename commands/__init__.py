"""Groups of the command line that are more than one function; `cli.py` hangs them in."""
