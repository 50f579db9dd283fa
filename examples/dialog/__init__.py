"""A dialog agent in the terminal: it answers in prose, works in Python, and remembers what was said."""
