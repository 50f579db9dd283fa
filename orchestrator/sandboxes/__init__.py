"""The host's side of a runner: drivers, confinement, the link, the sandbox and the pool."""
