"""Expense claims: an agent pays the small ones and waits for a person's approval of the large ones."""
