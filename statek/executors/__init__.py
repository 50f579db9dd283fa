"""Jobs: what happens next, and what an application sees of them."""
