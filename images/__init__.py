"""Image flavours of the runner, one folder each, and what builds them (``python -m images.build``)."""
