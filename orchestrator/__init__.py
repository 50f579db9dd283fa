"""The orchestrator: the trusted process that holds agents, jobs, models, tools and the store."""
