"""
What the house rules have in common.

A house rule judges a record that its lexicon found valid: a function of the repository's did, the record key and
the typed record, which gives every fault it finds.
"""

from collections.abc import Iterator

from strandline import syntax
from strandline.lexicon.fault import Fault, show
from strandline.memo import remembered

__all__ = ["fault", "not_a_record", "not_the_repo", "only_self"]

_record_uri = remembered(syntax.record_uri)


def fault(path: str, message: str) -> Fault:
    """Return the breach of a house rule; the path is "" for the record as a whole."""
    return Fault(f"$.{path}" if path else "$", "house", message)


def only_self(rkey: str) -> Iterator[Fault]:
    """Tell of a record key other than `self`."""
    if rkey != "self":
        yield fault("", f"record key is not 'self': {show(rkey)}")


def not_the_repo(path: str, did: str, repo: str) -> Iterator[Fault]:
    """Tell of a did that is not that of the repository which holds the record."""
    if did != repo:
        yield fault(path, f"is not the repository's did {show(repo)}: {show(did)}")


def not_a_record(path: str, uri: str) -> Iterator[Fault]:
    """Tell of an at-uri that is not `at://did/collection/rkey`."""
    if _record_uri(uri) is None:
        yield fault(path, f"is not at://did/collection/rkey: {show(uri)}")
