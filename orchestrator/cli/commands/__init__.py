"""One module per group of commands; each is imported only when it is used, so that the start stays quick."""
