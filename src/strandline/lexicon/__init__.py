"""Lexicons: documents, and what tells whether a value satisfies them."""

from strandline.lexicon.datamodel import data_model_faults, storable_faults
from strandline.lexicon.document import Catalog, Document, catalog, parse_document
from strandline.lexicon.fault import MAX_FAULTS, Fault
from strandline.lexicon.graphemes import UNICODE_VERSION, exceeds, grapheme_count
from strandline.lexicon.validate import Validator, compile_record, compile_record_key, compile_ref

__all__ = [
    "MAX_FAULTS",
    "UNICODE_VERSION",
    "Catalog",
    "Document",
    "Fault",
    "Validator",
    "catalog",
    "compile_record",
    "compile_record_key",
    "compile_ref",
    "data_model_faults",
    "exceeds",
    "grapheme_count",
    "parse_document",
    "storable_faults",
]
