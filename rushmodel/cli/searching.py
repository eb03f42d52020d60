"""``rushmodel search``: the records nearest to some words, or with some words in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..errors import QueryError
from ..expressions import Condition
from ..metaclass import schema_of
from ..model import Model
from ..operations.fusing import Fusion
from ..port import Similarity
from ..results import Hits
from ..where import parse_where
from . import Code
from .output import Column, Output
from .session import Session, with_embedder, with_models, with_session


@click.command()
@click.argument("model")
@click.argument("words", required=False)
@click.option(
    "--text",
    metavar="TEXT",
    help="Records that have these words; in quotes, as in '\"green tea\"', a phrase.",
)
@click.option(
    "--fusion",
    type=click.Choice(["rrf", "dbsf"]),
    help="With WORDS and --text: how the two rankings become one, by ranks (rrf) or by scores.",
)
@click.option("--weight", type=click.FloatRange(0, 1), help="The share of WORDS in that; else a half.")
@click.option(
    "--where",
    "condition",
    metavar="CONDITION",
    help="Which records are looked at: 'year > 2020 and not tags.contains(\"old\")', or RushDB's JSON.",
)
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="At most so many hits.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Leave out the first so many.")
@click.option("--min-score", type=click.FloatRange(0), help="Leave out hits below this score.")
@click.option("--on", "field", metavar="FIELD", help="The field that is searched, where it could be several.")
@click.option(
    "--similarity", type=click.Choice(["cosine", "euclidean"]), help="Which, where the field has both."
)
@with_embedder
@with_models
@with_session
def search(
    session: Session,
    model: str,
    words: str | None,
    text: str | None,
    fusion: Fusion | None,
    weight: float | None,
    condition: str | None,
    limit: int,
    offset: int,
    min_score: float | None,
    field: str | None,
    similarity: Similarity | None,
) -> Code:
    """Show the records of MODEL nearest in meaning to WORDS, best first, or with --text in them, or both.

    MODEL is Article, or app.models:Article.
    """
    if words is None and text is None:
        raise click.UsageError("search for WORDS, or for words in texts with --text")
    if (fusion is not None or weight is not None) and (words is None or text is None):
        raise click.UsageError("--fusion and --weight are for WORDS together with --text")
    searched = session.model(model)
    where = None if condition is None else read_where(searched, condition)
    blend: dict[str, Any] = {} if fusion is None else {"fusion": fusion}
    blend |= {} if weight is None else {"weight": weight}
    with session.database([searched]):
        hits: Hits[Model] = searched.search(
            words,
            text=text,
            where=where,
            limit=limit,
            offset=offset,
            min_score=min_score,
            on=field,
            similarity=similarity,
            **blend,
        )
    document = {"model": searched.__name__, "hits": list(map(_plain, hits))}
    session.output.result(document, lambda: _draw(session.output, searched, hits))
    return Code.DONE


def read_where(model: type[Model], text: str) -> Condition[Any]:
    """The condition of ``--where``; its errors say so."""
    try:
        return parse_where(model, text)
    except QueryError as error:
        raise QueryError(f"--where: {error}", **vars(error)) from error


def _plain(hit: Any) -> dict[str, Any]:
    record: Model = hit.record
    parts = {name: {"rank": part.rank, "score": part.score} for name, part in hit.parts.items()}
    return {
        "score": hit.score,
        "parts": parts,
        "record_id": record.record_id,
        "record": record.model_dump(mode="json"),
    }


def _draw(output: Output, model: type[Model], hits: Hits[Model]) -> None:
    schema = schema_of(model)
    fields = sorted(schema.properties, key=lambda each: not each.key)
    columns = [Column("score", number=True), *(Column(each.name) for each in fields)]
    values: list[Mapping[str, Any]] = [hit.record.model_dump(mode="json") for hit in hits]
    rows = (
        [_shown(hit.score), *("" if each.get(one.name) is None else each[one.name] for one in fields)]
        for hit, each in zip(hits, values, strict=True)
    )
    output.table(columns, rows)


def _shown(score: float) -> str:
    """BM25 may give a word that nearly all records have almost nothing."""
    return f"{score:.4f}" if not score or score >= 0.0001 else f"{score:.0e}"
