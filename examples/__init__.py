"""Examples; each folder is a program of its own."""
