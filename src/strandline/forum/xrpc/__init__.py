"""
Questions over HTTP, without HTTP: what is asked, what is answered, as JSON data.

The rules of the wire stand here: parameters, pages, views, refusals. A server reads bytes, calls `answer`, and
writes bytes.
"""

from strandline.forum.xrpc.asking import Answering
from strandline.forum.xrpc.blobs import BlobUrls
from strandline.forum.xrpc.documents import ALIASES, DOCUMENTS
from strandline.forum.xrpc.openapi import openapi
from strandline.forum.xrpc.refusal import Refusal
from strandline.forum.xrpc.service import ANSWERS, answer, refusal_of_post
from strandline.forum.xrpc.writes import WRITES

__all__ = [
    "ALIASES",
    "ANSWERS",
    "DOCUMENTS",
    "WRITES",
    "Answering",
    "BlobUrls",
    "Refusal",
    "answer",
    "openapi",
    "refusal_of_post",
]
