"""What runs inside a runner, hostile once user code is in it; the orchestrator imports its wire only."""
