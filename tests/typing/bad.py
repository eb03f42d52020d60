"""Every line marked E must be an error for mypy and for pyright, and no other."""

from __future__ import annotations

from rushmodel import (
    Edge,
    Field,
    Model,
    OptionalVector,
    Relation,
    Vector,
    VectorField,
    field,
    relation,
)


class Since(Edge):
    year: Field[int]


class Person(Model):
    name: Field[str] = field(key=True)
    age: Field[int] = field(default=0)
    friends: Relation[list[Person]] = relation("KNOWS", edge=Since)


class Article(Model):
    slug: Field[str] = field(key=True)
    year: Field[int]
    tags: Field[list[str]] = field(default_factory=list[str])
    embedding: Vector = VectorField(dims=3)
    image: OptionalVector = VectorField(default=None, dims=3)
    author: Relation[Person] = relation("WROTE", direction="in")


class Product(Model):
    description: Field[str] = field(key=True)
    embedding: Vector = VectorField(source="managed", dims=3, property="description")


Article(slug="s", year="x", embedding=[1.0])  # E wrong type
Article(slug="s", year=1)  # E missing embedding
Article(slug="s", year=1, embedding="abc")  # E not a vector
Article(slug="s", year=1, embedding=[1.0], nope=1)  # E unknown field
Article("s", 1)  # E keyword only
Product(description="d", embedding=[1.0])  # E the store makes a managed vector
article = Article(slug="s", year=1, embedding=[1.0])
article.year = "x"  # E wrong type
article.embedding = None  # E only an OptionalVector may be None
article.record_id = "x"  # E given by the store
article.year.contains("x")  # E an int has no contains
article.yaer  # E misspelt
Article.year > "2020"  # E compared with str
Article.year.contains("x")  # E only text
Article.year.in_(["x"])  # E wrong items
Article.tags.in_([1])  # E wrong items
Article.year.between(1, "x")  # E wrong bound
Article.yaer > 3  # E misspelt
Article.embedding > 3  # E vectors do not compare
Article.search([1.0], where=Person.age > 3)  # E another model's condition
Article.search([1.0], where=article.year > 3)  # E a bool, not a condition
Article.search([1.0], similarity="dot")  # E no such similarity
Article.find(Person.age > 3)  # E another model's condition
Article.find(article.year == 1)  # E a bool, not a condition
Article.find().order_by(Article.year)  # E an order is asc() or desc()
Article.find().where(Person.age == 1)  # E another model's condition
(Article.year > 1) & (Person.age > 3)  # E mixed models
article.save(on_stale="maybe")  # E no such way
Article.save_many([Person(name="x")])  # E another model
VectorField(dims="3")  # E dims is an int
VectorField(factory=3, dims=3)  # E not an embedder
VectorField(factory=len, dims=3, replaces={"dims": 2})  # E not a VectorSpec
VectorField(factory=len, dims=3, on_stale="maybe")  # E no such way
Article.search(text=3)  # E words are a str
Article.search(text="x", fusion="sum")  # E no such fusion
Article.search(text="x", rerank=lambda hits: [1.0])  # E takes the text, too
Article.stale().all()[0].none  # E no such field
field(key="yes")  # E key is a bool
ada = Person(name="Ada")
Article(slug="s", year=1, embedding=[1.0], author=article)  # E another model
Article(slug="s", year=1, embedding=[1.0], author=[ada])  # E to-one
Person(name="x", friends=ada)  # E to-many
article.author = article  # E another model
ada.friends = ada  # E to-many
article.author.name  # E the related record is its value
article.author.set(article)  # E another model
article.author.value.name  # E there may be none
article.author.attach(ada)  # E to-one
ada.friends.value  # E to-many
ada.friends.attach(article)  # E another model
ada.friends.attach(ada, edge=ada)  # E not an edge
Since(year="x")  # E wrong type
Since()  # E missing year
Since.year > "x"  # E compared with str
Article.author.name  # E a relation has no fields
Article.author.has(Article.year > 1)  # E a condition on another model
Article.author.has(Person.age > 1, hops="2")  # E hops are numbers
Article.find(Person.friends.any())  # E another model's relation
Article.find(Article.author)  # E not a condition
Article.find().with_(Person.friends)  # E another model's relation
Article.author.with_(Article.author)  # E another model's relation
Article.get("x", with_=[Person.friends])  # E another model's relation
relation("X", direction="both")  # E no such direction
