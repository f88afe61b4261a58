"""
Whether a record may stand in the index: a judge for each kind, compiled once.

A record is valid iff its `$type` is its collection, every store could hold it, it satisfies its lexicon with the
kind's tolerances, and it keeps the kind's house rule. All faults are told, not the first. Of a lexicon's record key
only a literal one is judged: so a repo holds at most one valid record of such a kind.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from attrs import frozen

from strandline.lexicon.datamodel import storable_faults
from strandline.lexicon.document import parse_document
from strandline.lexicon.fault import Fault, show
from strandline.lexicon.graphemes import UNICODE_VERSION
from strandline.lexicon.model import export, structurer, tolerate
from strandline.lexicon.validate import compile_record
from strandline.schema import RecordKind, Schema
from strandline.wirejson import loads

__all__ = ["VALIDATOR", "Judge", "Verdict", "compile_judge", "compile_judges"]

VALIDATOR = f"1/unicode-{UNICODE_VERSION}"
"""What a judgement depends on besides the schema; a store judged by another one is stale."""


class Verdict(NamedTuple):
    """The typed record and no faults, or None and all of them."""

    record: Any
    faults: tuple[Fault, ...]


@frozen
class Judge:
    """
    Judges and types the records of one kind.

    Attributes:
        collection: NSID of the kind.
        check: Lexicon faults of a record.
        structure: The typed record of a valid one.
        rule: Faults against the house rule.
        literal: The only record key a record may have; None if any will do.
    """

    collection: str
    check: Callable[[object], Iterable[Fault]]
    structure: Callable[[Mapping[str, Any]], Any]
    rule: Callable[[str, str, Any], Iterable[Fault]]
    literal: str | None = None

    def verdict(self, did: str, rkey: str, record: Mapping[str, Any], *, plain: bool = False) -> Verdict:
        """
        Judge the record at a path; everything wrong with it is told.

        `plain` says that every store can hold it, as `strandline.wirejson.parse` found.
        """
        faults = [*(() if plain else storable_faults(record)), *self.check(record)]
        if self.literal is not None and rkey != self.literal:
            faults.append(Fault("$", "rkey", f"record key is not {self.literal!r}: {show(rkey)}"))
        if faults:
            return Verdict(None, tuple(faults))
        typed = self.structure(record)
        faults.extend(self.rule(did, rkey, typed))
        return Verdict(None if faults else typed, tuple(faults))

    def typed(self, source: str) -> Any:
        """Return the typed record of canonical JSON that was judged valid before."""
        return self.structure(loads(source.encode()))


@cache
def compile_judge(kind: RecordKind) -> Judge:
    """Return the judge of one record kind; each is compiled once."""
    documents = export(kind.type)
    documents[kind.collection] = tolerate(documents[kind.collection], kind.tolerances)
    parsed = {nsid: parse_document(document) for nsid, document in documents.items()}
    check = compile_record(kind.collection, parsed)
    return Judge(kind.collection, check, structurer(kind.type), kind.rule, kind.literal)


def compile_judges(schema: Schema) -> Mapping[str, Judge]:
    """Return the judge of each collection that a schema declares."""
    return {kind.collection: compile_judge(kind) for kind in schema.kinds}
