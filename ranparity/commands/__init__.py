"""One module per command: `add_parser(commands)` and what it runs."""
