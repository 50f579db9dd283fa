"""Jobs between stores: the archive of one job, how it is written, and how one is read in.

``archive`` is the file, ``archive_untrusted`` the only place where what an archive says is decoded, ``job_export`` and
``job_import`` the two ways, ``staging`` the records of a job that is being imported, ``porter`` the door.
"""

from __future__ import annotations

from orchestrator.engine.porting.porter import Porter

__all__ = ["Porter"]
