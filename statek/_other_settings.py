"""Names of STATEK settings that this service does not have, each with the reason and what does its work here."""

from __future__ import annotations

__all__ = ["OTHER_SETTINGS"]

_ROUTES = "jobs run in a sandbox of the operating system, not under a checker of source text"
_SOCKET = "the API is a Unix socket, which nobody else on the network can reach"

OTHER_SETTINGS: dict[str, str] = {
    "python_sandbox_mode": f"{_ROUTES}; static_policy says what is done about code that cannot work there",
    "python_sandbox_max_source_bytes": f"{_ROUTES}; the code of a step may have 200000 bytes (MAX_CODE_BYTES)",
    "python_sandbox_max_ast_nodes": f"{_ROUTES}; memory_bytes and step_deadline_seconds bound what code costs",
    "python_sandbox_allowed_imports": f"{_ROUTES}; the image flavour says which libraries there are",
    "python_sandbox_allowed_tools": "hidden tools are for hidden warmup blocks only; show a tool to let code call it",
    "rpc_host": f"{_SOCKET}; api_socket_path says where it is",
    "rpc_port": f"{_SOCKET}; api_socket_path says where it is",
    "statek_default_difficulty": "it is default_difficulty",
    "default_acl_str": "it is default_acl",
}
"""By the name that a setting of this service would have."""
