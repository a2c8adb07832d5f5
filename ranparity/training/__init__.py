"""Training that is the same on every framework: recipe, loop, backends and the run record."""
