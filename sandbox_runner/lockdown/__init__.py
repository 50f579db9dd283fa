"""What takes an executor's rights away before it sees any code; stdlib and ctypes only.

``confine`` puts the parts in order: ``limits`` (rlimits), ``identity`` (uids and capabilities), ``landlock``
(files) and ``seccomp`` (system calls).
"""
