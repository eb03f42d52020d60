"""The query language in plain Python, as simple as it can be said: what the SQL answers are measured by.

Three-valued: a condition is True, False or None where a property is absent (R20). `asked` says what a
value is asked, `holds` what a record of a `World` is, which has ``records`` (label and data, by place)
and ``edges`` (source, target, type, properties); `answer` is a whole query with ``select``.
"""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="var-annotated"

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from rushmodel.wire.proptypes import looks_like_datetime

LOGICAL = ("$and", "$or", "$nor", "$xor", "$not")


def asked(held, value, as_text):
    if not isinstance(value, dict) or "$year" in value:
        return compare("$eq", held, value, as_text)
    return conjunction(
        logical(key, operand, lambda part: asked(held, part, as_text))
        if key in LOGICAL
        else compare(key, held, operand, as_text)
        for key, operand in value.items()
    )


def logical(key, operand, read):
    if key == "$not":
        return negation(read(operand))
    parts = [{k: v} for k, v in operand.items()] if isinstance(operand, dict) else operand
    verdicts = [read(part) for part in parts]
    if key == "$and":
        return conjunction(verdicts)
    if key == "$or":
        return negation(conjunction(map(negation, verdicts)))
    if key == "$nor":
        return conjunction(map(negation, verdicts))
    return None if None in verdicts else sum(verdicts) % 2 == 1


def conjunction(verdicts):
    verdicts = list(verdicts)
    return False if False in verdicts else None if None in verdicts else True


def negation(verdict):
    return None if verdict is None else not verdict


def compare(operator, held, operand, as_text):
    if operator == "$exists":
        return (held is not None) == operand
    if operator in ("$ne", "$nin"):
        return negation(compare("$eq" if operator == "$ne" else "$in", held, operand, as_text))
    if operator == "$eq" and operand is None:
        return held is None
    if held is None:
        return None
    if operator == "$type":
        return kind(held, as_text) == operand
    if operator == "$in" and any(isinstance(value, dict) for value in operand):
        return any(compare("$eq", held, value, as_text) for value in operand)
    if isinstance(operand, dict):
        if held == []:
            return False
        if kind(held, as_text) != "datetime":
            return False if operator == "$eq" else None
        moments = [moment(text) for text in (held if isinstance(held, list) else [held])]
        return any(single(operator, at, components(**operand)) for at in moments)
    if operator == "$eq" and isinstance(operand, list):
        return isinstance(held, list) and len(held) == len(operand) and all(map(equal, held, operand))
    if isinstance(held, list):
        verdicts = [single(operator, element, operand) for element in held]
        return True if True in verdicts else None if None in verdicts else False
    return single(operator, held, operand)


def single(operator, held, operand):
    if operator == "$eq":
        return equal(held, operand)
    if operator == "$in":
        return any(equal(held, value) for value in operand)
    if operator in ("$contains", "$startsWith", "$endsWith"):
        if not isinstance(held, str):
            return None
        if operator == "$contains":
            return operand.casefold() in held.casefold()
        return held.startswith(operand) if operator == "$startsWith" else held.endswith(operand)
    if isinstance(held, bool) or isinstance(held, str) != isinstance(operand, str):
        return None
    return {"$gt": held > operand, "$gte": held >= operand, "$lt": held < operand, "$lte": held <= operand}[
        operator
    ]


def equal(one, other):
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def moment(text):
    """Seconds since the year 1, exactly."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d)?)(\.\d+)?(?:Z|([+-])(\d\d):?(\d\d))?", text)
    assert found is not None
    whole, fraction, sign, hours, minutes = found.groups()
    local = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S" if "T" in whole else "%Y-%m-%d") - datetime.min
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    return Fraction(round((local - offset).total_seconds())) + Fraction(f"0{fraction or ''}")


def components(**given):
    given = {key[1:]: value for key, value in given.items()}
    fractions = {"millisecond": 10**3, "microsecond": 10**6, "nanosecond": 10**9}
    parts = sum(Fraction(given.pop(name, 0), unit) for name, unit in fractions.items())
    whole = datetime(**{"month": 1, "day": 1} | given) - datetime.min
    return Fraction(round(whole.total_seconds())) + parts


def kind(held, as_text):
    elements = held if isinstance(held, list) else [held]
    if all(isinstance(element, bool) for element in elements) and elements:
        return "boolean"
    if all(isinstance(element, (int, float)) for element in elements) and elements:
        return "number"
    return "datetime" if elements and not as_text and all(map(looks_like_datetime, elements)) else "string"


def holds(world, place, where):
    """What a where document is for a record: True, False or None. Plain Python: follows every path."""
    label, data = world.records[place]
    verdicts = []
    for key, value in where.items():
        if key in LOGICAL:
            verdicts.append(logical(key, value, lambda part: holds(world, place, part)))
        elif key == "$id":
            verdicts.append(asked(f"#{place}", value, False))
        elif key == "__label":
            verdicts.append(asked(label, value, False))
        elif key == "$cycle":
            verdicts.append(place in ends(world, place, value))
        elif key[0].isupper():
            rest = {name: each for name, each in value.items() if name not in ("$relation", "$alias")}
            found = ends(world, place, value.get("$relation", {}))
            verdicts.append(
                any(world.records[end][0] == key and holds(world, end, rest) is True for end in found)
            )
        else:
            verdicts.append(asked(data.get(key), value, False))
    return conjunction(verdicts)


def ends(world, place, relation):
    """Where the paths lead that a relation allows: each relationship once on a path."""
    relation = {"type": relation} if isinstance(relation, str) else relation
    hops = relation.get("hops", 1)
    least, most = (hops, hops) if isinstance(hops, int) else (hops.get("min", 1), hops.get("max", 10))
    usable = []
    for source, target, kind, properties in world.edges:
        conditions = relation.get("where", {}).items()
        verdicts = [asked((properties or {}).get(name), value, False) for name, value in conditions]
        if relation.get("type", kind) == kind and conjunction(verdicts) is True:
            usable.append((source, target))
    found = set()

    def go(at, length, left):
        if length >= least:
            found.add(at)
        if length < most:
            for i, (source, target) in enumerate(left):
                rest = left[:i] + left[i + 1 :]
                if source == at and relation.get("direction") != "in":
                    go(target, length + 1, rest)
                if target == at and relation.get("direction") != "out":
                    go(source, length + 1, rest)

    go(place, 0, usable)
    return found


# -- rows -------------------------------------------------------------------------


class Ambiguous(Exception):
    """A property of several records stands where there is one value."""


def answer(world, document):
    """The rows of a query with ``select`` (a `RowQuery`) and how many root records match.

    A tuple of records is what stands together: the root's place under ``$record`` and one place for every
    alias. A row is made of the tuples that belong to it; in a collection ``$self`` is the item.
    """
    roots = [
        place
        for place, (label, _) in enumerate(world.records)
        if label in (document.labels or "ABC") and holds(world, place, document.where) is True
    ]
    total, select, order = len(roots), document.select, document.order
    row_keys = set(select)
    if document.group_by:
        row_keys = {name.partition(".")[2] or name for name in document.group_by}
        row_keys |= {name for name in select if not of_records(select[name], select)}
    late = any(name in row_keys for name, _ in order)
    if not late:
        for name, down in reversed(order):
            roots.sort(key=lambda place: rank(value_of(world, place, name)), reverse=down)
        if not document.group_by or document.cut_roots:
            roots = cut(document, roots)
    tuples = {
        place: [{"$record": place} | found for found in bindings(world, place, document.where)]
        for place in roots
    }
    rows = []
    if not document.group_by:
        for place in roots:
            keys = {name: evaluate(world, each, select, tuples[place]) for name, each in select.items()}
            whole = {name: value for name, value in record(world, place).items() if name not in select}
            order_by = {name: keys.get(name, value_of(world, place, name)) for name, _ in order}
            rows.append((whole | keys, order_by))
    else:
        groups = {}
        names = [
            name for name in document.group_by if name.startswith("$") or of_records(select[name], select)
        ]
        for place in roots:
            for each in tuples[place]:
                key = [evaluate(world, select.get(name, name), select, [each]) for name in names]
                found = groups.setdefault(tuple(map(comparable, key)), (key, []))
                found[1].append(each)
        if not names:
            groups = {(): ([], [each for place in roots for each in tuples[place]])}
        if names:
            # By the first root that belongs to each; groups of one root, and of no order, by their keys.
            place_of = {place: position for position, place in enumerate(roots) if order and not late}
            groups = dict(
                sorted(
                    groups.items(),
                    key=lambda group: (
                        place_of.get(group[1][1][0]["$record"], 0),
                        [rank(value) for value in group[1][0]],
                    ),
                )
            )
        for key, members in groups.values():
            keys = dict(zip([name.partition(".")[2] or name for name in names], key, strict=True))
            for name, each in select.items():
                if not of_records(each, select):
                    keys[name] = evaluate(world, each, select, members)
            rows.append((keys, keys))
    if late:
        for name, down in reversed(order):
            rows.sort(key=lambda found: rank(found[1][name]), reverse=down)
    if late or (document.group_by and not document.cut_roots):
        rows = cut(document, rows)
    return [{name: value for name, value in row.items() if value is not None} for row, _ in rows], total


def bindings(world, place, where):
    """Every way to choose one record for each alias."""
    found = [{}]
    for key, value in where.items():
        options = [{}]
        if key == "$and":
            options = [{}]
            for part in value:
                options = [one | other for one in options for other in bindings(world, place, part)]
        elif key[0].isupper():
            rest = {name: each for name, each in value.items() if name not in ("$relation", "$alias")}
            alias = value.get("$alias")
            options = [
                ({alias: end} if alias else {}) | deeper
                for end in ends(world, place, value.get("$relation", {}))
                if world.records[end][0] == key and holds(world, end, rest) is True
                for deeper in bindings(world, end, rest)
            ]
        found = [one | other for one in found for other in options]
    return found


def evaluate(world, given, select, tuples):
    """What an expression is for the tuples that belong to a row."""
    if isinstance(given, str):
        values = [value for value in (at(world, given, each) for each in tuples) if value is not None]
        if len({comparable(value) for value in values}) > 1:
            raise Ambiguous
        return values[0] if values else None
    if isinstance(given, (int, float)):
        return given
    (operator,) = (key for key in given if key != "$precision")
    operand = given[operator]
    if operator == "$ref":
        return evaluate(world, select[operand], select, tuples)
    if operator == "$timeBucket":
        # Of each tuple: several moments of one bucket are one value.
        buckets = {bucket(world, operand, [each]) for each in tuples} - {None}
        if len(buckets) > 1:
            raise Ambiguous
        return next(iter(buckets), None)
    if operator in ("$add", "$subtract", "$multiply", "$divide"):
        return arithmetic(operator, *(evaluate(world, each, select, tuples) for each in operand))
    if operator == "$collect":
        return collect(world, operand, tuples)
    operand = "$record" if operand == "*" else operand
    aliases = sorted(set(re.findall(r"\$\w+", str(operand))) & {"$record", "$self", "$a", "$b", "$c"})
    if not aliases:
        aliases = ["$self" if tuples and "$self" in tuples[0] else "$record"]
    records = {tuple(each[alias] for alias in aliases): each for each in tuples}
    if isinstance(operand, str) and "." not in operand:
        return len(records)
    values = [evaluate(world, operand, {}, [each]) for each in records.values()]
    values = [value for value in values if value is not None]
    if operator == "$count":
        return len(set(map(comparable, values)))
    if operator in ("$min", "$max"):
        values = sorted((value for value in values if not isinstance(value, list)), key=rank)
        return None if not values else values[0] if operator == "$min" else values[-1]
    values = [value for value in values if is_number(value)]
    if operator == "$sum":
        return sum(values)
    if not values:
        return None
    mean, precision = sum(values) / len(values), given.get("$precision")
    if precision is None:
        return mean
    return float(Decimal(mean).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP))


def at(world, given, each):
    """A property of the record that stands under an alias."""
    alias, _, name = given.partition(".")
    return value_of(world, each[alias], name)


def value_of(world, place, name):
    label, data = world.records[place]
    return {"__id": world.ids[place], "$id": world.ids[place], "__label": label}.get(name, data.get(name))


def record(world, place):
    """A whole record as a document."""
    label, data = world.records[place]
    types = {name: kind(value, False) for name, value in data.items()}
    return {"__id": world.ids[place], "__label": label, "__proptypes": types, **data}


def arithmetic(operator, one, other):
    if not is_number(one) or not is_number(other):
        return None
    if operator == "$divide":
        return one / other if other else None
    return {"$add": one + other, "$subtract": one - other, "$multiply": one * other}[operator]


def collect(world, given, tuples):
    """Related records, each once, by ascending id unless there is an order."""
    places = {}
    if "from" in given:
        for each in tuples:
            places.setdefault(each[given["from"]], []).append(each)
    else:
        here = {each.get("$self", each["$record"]) for each in tuples}
        found = {end for place in here for end in ends(world, place, given.get("$relation", {}))}
        # Within, an alias would belong to the row around: there is none to speak of.
        places = {end: [{"$record": end}] for end in found if world.records[end][0] == given["label"]}
    items = []
    for place in sorted(places):
        if holds(world, place, given.get("where", {})) is not True:
            continue
        inside = [each | {"$self": place} for each in places[place]]
        keys = {
            name: evaluate(world, each, given["select"], inside)
            for name, each in given.get("select", {}).items()
        }
        shown = keys | {"__label": world.records[place][0]} if "select" in given else record(world, place)
        items.append(({k: v for k, v in shown.items() if v is not None}, keys, place))
    order = given.get("orderBy", "asc")
    for name, way in reversed(order.items() if isinstance(order, dict) else [("$id", order)]):
        items.sort(
            key=lambda item: rank(item[1][name] if name in item[1] else value_of(world, item[2], name)),
            reverse=way == "desc",
        )
    end = given["limit"] + given.get("skip", 0) if "limit" in given else None
    return [shown for shown, _, _ in items[given.get("skip", 0) : end]]


def bucket(world, given, tuples):
    held = evaluate(world, given["field"], {}, tuples)
    if not isinstance(held, str) or kind(held, False) != "datetime":
        return None
    start = datetime.min + timedelta(seconds=int(moment(held)))
    unit, size = given["unit"].rstrip("s"), given.get("size", 1)
    start = start.replace(minute=0, second=0) if unit == "hour" else start.replace(hour=0, minute=0, second=0)
    if unit == "week":
        start -= timedelta(days=start.weekday())
    if unit in ("month", "quarter", "year"):
        months = {"month": 1, "quarter": 3, "year": 12}[unit] * size
        year, month = divmod((start.year * 12 + start.month - 1) // months * months, 12)
        start = start.replace(year=year, month=month + 1, day=1)
    return round((start - datetime(1970, 1, 1)).total_seconds()) * 1000


def of_records(given, select):
    """Whether an expression has a value for every record."""
    if not isinstance(given, dict):
        return True
    ((operator, operand),) = ((key, each) for key, each in given.items() if key != "$precision")
    if operator == "$ref":
        return of_records(select[operand], select)
    if operator in ("$add", "$subtract", "$multiply", "$divide"):
        return all(of_records(each, select) for each in operand)
    return operator == "$timeBucket"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def comparable(value):
    """Tells values apart as the language does: 1 and 1.0 are one, 1 and true are two."""
    if isinstance(value, list):
        return tuple(map(comparable, value))
    return isinstance(value, bool), value


def rank(value):
    """The order of values: numbers, text, datetimes as moments; lists, false, true; then what is absent."""
    if value is None:
        return 4, 0
    if isinstance(value, (bool, list)):
        return (3, value) if isinstance(value, bool) else (2, json.dumps(value))
    if isinstance(value, str):
        return 1, value[:-1] + "\x01" if value.endswith("Z") and looks_like_datetime(value) else value
    return 0, value


def cut(document, rows):
    return rows[document.offset :][: document.limit]
