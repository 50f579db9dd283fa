"""What crosses the boundary: the schema's generated code, values and local frames. Shared by both sides."""
