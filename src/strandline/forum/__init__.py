"""
The forum: the `social.coves.*` records of Coves, the views over them, and what may be asked of these.

Written with the engine's public names only, as any other application of strandline would be.
"""

from strandline.forum.dump import digest, dump_lines
from strandline.forum.schema import NAMESPACE, SCHEMA

__all__ = ["NAMESPACE", "SCHEMA", "digest", "dump_lines"]
