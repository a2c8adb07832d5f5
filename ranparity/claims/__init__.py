"""What the sources publish about these networks, and the commands that try it here."""
