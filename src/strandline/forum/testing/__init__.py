"""
The forum's test kit, shipped: what its index must say, and logs that try to make it say something else.

- `reference`: the law, naive and from nothing; `dump` is what any store of these events must dump.
- `strategies`: hostile logs of forums for Hypothesis: `logs` of everything, `commit_logs`, `thread_logs`,
  `relation_logs`.
"""

from strandline.forum.testing.reference import dump
from strandline.forum.testing.strategies import commit_logs, logs, relation_logs, thread_logs

__all__ = ["commit_logs", "dump", "logs", "relation_logs", "thread_logs"]
