"""A data analyst: an agent that computes with pandas in its sandbox and keeps plots as files."""
