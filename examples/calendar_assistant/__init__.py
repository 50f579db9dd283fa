"""A calendar assistant: durable calendar objects, an agent that works on them, and the program around it."""
