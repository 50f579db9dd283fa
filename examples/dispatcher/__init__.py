"""A dispatcher and two specialists: messages from a queue, work given to others, results that come back."""
