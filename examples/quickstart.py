"""Three documents with their own vectors, and a search: the worked example of RushDB's guide, as a model."""

from __future__ import annotations

from rushmodel import Field, Model, Vector, VectorField, connect, field


class Doc(Model):
    title: Field[str] = field(key=True)  # saving the same title twice is one record
    content: Field[str]
    embedding: Vector = VectorField(dims=3, similarity="cosine", property="content")


db = connect("memory://")  # or a file: "docs.db"
db.sync()  # creates the index policy that Doc asks for

Doc(title="Alpha", content="First article", embedding=[1, 0, 0]).save()
Doc(title="Beta", content="Second article", embedding=[0, 1, 0]).save()
Doc(title="Gamma", content="Third article", embedding=[0, 0, 1]).save()

for hit in Doc.search([1, 0, 0], limit=3):
    print(f"{hit.record.title:6} {hit.score:.2f}")
