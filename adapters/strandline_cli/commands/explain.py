"""Why a record counts what it counts, in words."""

from typing import Any

import click
from attrs import asdict

from strandline.forum.explain import STATES, WITHHELD, Contribution, Explanation
from strandline.forum.explain import explain as explained
from strandline.register import Register, Repo
from strandline.wirejson import loads
from strandline_cli.command import Command, json_option, store_option, uri_argument
from strandline_cli.loop import run
from strandline_cli.opened import reading
from strandline_cli.show import camel, camel_keys, card, console, print_json, when

__all__ = ["explain"]

_OPERATIONS = ("deleted", "created", "updated")


@click.command(
    cls=Command,
    examples=(
        "strandline explain at://did:plc:abc/social.coves.feed.vote/3k2b --store sqlite:///forum.db",
        "strandline explain at://did:plc:abc/social.coves.community.post/3k2b --json --store sqlite:///forum.db",
    ),
)
@uri_argument()
@store_option
@json_option
def explain(uri: str, url: str | None, as_json: bool) -> None:
    """
    Say why a record counts, or does not.

    Whether it is live, effective, dormant (and what counts in its place), void, hidden, quarantined (and why) or
    deleted; which write stands there, of which rev and when seen; what it adds to which count; what was said about it.
    """
    with reading(url) as store:
        it = run(explained(store, uri))
    if as_json:
        print_json(_json(it))
    else:
        console().print(card(_pairs(it)))


def _pairs(it: Explanation) -> dict[str, object]:
    return {
        "at-uri": it.uri,
        "state": [f"{state}: {STATES[state]}" for state in it.states],
        "faults": [f"{fault['path']}  {fault['rule']}: {fault['message']}" for fault in it.faults],
        "superseded by": it.superseded_by,
        "in place of": f"{it.dormant:,} dormant" if it.dormant else None,
        "withheld": [f"{why}: {WITHHELD[why]}" for why in it.withheld],
        **({} if it.register is None else _register_pairs(it.register)),
        **({} if it.repo is None else _repo_pairs(it.repo)),
        "root": it.root,
        "parent": it.parent,
        "adds": [_contribution(each) for each in it.contributions],
        "tally": "  ".join(f"{name} {count:,}" for name, count in it.tally.items() if count) or "nothing",
        "votes": [f"{vote.direction}  {vote.uri}" for vote in it.votes],
        "": f"and {unshown:,} more" if (unshown := _unshown_votes(it)) else None,
        "note": "a job still moves the records of this repo: views may lag behind" if it.settling else None,
    }


def _register_pairs(it: Register) -> dict[str, object]:
    claimed = loads(it.record.encode()).get("createdAt") if it.record is not None else None
    return {
        "written": f"{_OPERATIONS[it.rank]} by the commit of rev {it.rev}",
        "cid": it.cid,
        "seen": when(it.seen_us),
        "first seen": when(it.first_seen_us) or "never as a record",
        "says created": str(claimed) if claimed is not None else None,
    }


def _repo_pairs(it: Repo) -> dict[str, object]:
    account = {None: "active, for all we know", 1: "active", 0: f"not active ({it.status or 'no status'})"}[it.active]
    since = f" since {when(it.time_us)}" if it.active is not None else ""
    return {"handle": it.handle, "account": account + since, "repo's floor": it.floor}


def _contribution(it: Contribution) -> str:
    sums = "  ".join(f"{it.view}.{name} {amount:+,}" for name, amount in it.sums.items())
    return f"{sums}  of {' and '.join(it.key)}"


def _unshown_votes(it: Explanation) -> int:
    return it.tally["upvotes"] + it.tally["downvotes"] - len(it.votes)


def _json(it: Explanation) -> dict[str, Any]:
    return {
        "uri": it.uri,
        "state": it.states[0],
        "states": list(it.states),
        "supersededBy": it.superseded_by,
        "dormant": it.dormant,
        "faults": list(it.faults),
        "withheld": list(it.withheld),
        "register": None if it.register is None else _register_json(it.register),
        "repo": None if it.repo is None else camel(it.repo) | {"active": it.repo.active != 0},
        "root": it.root,
        "parent": it.parent,
        "adds": [{"view": each.view, "key": list(each.key), "sums": dict(each.sums)} for each in it.contributions],
        "tally": camel_keys(it.tally),
        "votes": [asdict(vote) for vote in it.votes],
        "settling": it.settling,
    }


def _register_json(it: Register) -> dict[str, Any]:
    told = {name: value for name, value in camel(it).items() if name not in ("didHash", "kept", "rank")}
    record = None if it.record is None else loads(it.record.encode())
    return told | {"operation": _OPERATIONS[it.rank], "seen": when(it.seen_us), "record": record}
