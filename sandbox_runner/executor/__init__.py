"""The process inside a runner that runs the job's code."""
