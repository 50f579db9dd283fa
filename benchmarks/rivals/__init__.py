"""The same work done by others: what they take for a step, a look at the past, a fork and a resumption.

Each rival runs in a process and an environment of its own (``worker``), which times itself; nothing of it is ever
imported here.
"""
