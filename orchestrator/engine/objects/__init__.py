"""Durable objects that sandbox code reaches through handles: the host's side.

Everything here runs on the store thread inside one atomic block, without I/O and without waiting; only
host proxies are used elsewhere, and hop there. Every handle id, name, value and version that comes in is
hostile.
"""

from __future__ import annotations

from orchestrator.engine.objects.gateway import ObjectGateway
from orchestrator.engine.objects.grants import GrantTable
from orchestrator.engine.objects.limits import ObjectLimits

__all__ = ["GrantTable", "ObjectGateway", "ObjectLimits"]
