// What a program in JavaScript does with RushDB's SDK; prints what it saw as one JSON object.
// PEER_URL and PEER_TOKEN name the server; test_javascript_sdk.py compares.

import sdk from "@rushdb/javascript-sdk";

const { PEER_URL: url, PEER_TOKEN: token } = process.env;

const db = new sdk.RushDB(token, { url });
const saw = {};

const refusal = async (call) => {
  try {
    await call();
  } catch (error) {
    return error.message; // the SDK's errors say the status, and nothing else
  }
  return "no error";
};
const plain = (record) =>
  Object.fromEntries(Object.entries(record.data).filter(([name]) => !name.startsWith("__")));
// Without returnResult the answer is `true`, from which this SDK cannot make a result.
const createMany = (label, data) =>
  db.records.createMany({ label, data, options: { returnResult: true, suggestTypes: true } });
const names = (found) => found.data.map((record) => record.data.name).sort();

saw.settings = (await db.settings.get()).data;

// -- the guide's worked example. This SDK has no methods for policies and vectors: its own fetcher sends them.

const ask = async (method, path, requestData) => (await db.fetcher(path, { method, requestData })).data;
const policy = {
  label: "Doc",
  propertyName: "content",
  sourceType: "external",
  dimensions: 3,
  similarityFunction: "cosine",
};
const index = await ask("POST", "/ai/indexes", policy);
saw.policy = index;
const articles = [
  { title: "Alpha", content: "First article", vector: [1, 0, 0] },
  { title: "Beta", content: "Second article", vector: [0, 1, 0] },
  { title: "Gamma", content: "Third article", vector: [0, 0, 1] },
];
const rows = articles.map(({ vector, ...row }) => ({
  ...row,
  $vectors: [{ propertyName: "content", vector }],
}));
const docs = await createMany("Doc", rows);
saw.docs = docs.data.map(plain);
const near = async (queryVector, more = {}) => {
  const search = { labels: ["Doc"], propertyName: "content", sourceType: "external", queryVector, limit: 3 };
  const found = await ask("POST", "/ai/search", { ...search, ...more });
  return found.map((hit) => [hit.title, hit.__score]);
};
saw.nearest = await near([1, 0, 0]);
saw.nearestBut = await near([1, 0.1, 0], { where: { title: { $ne: "Alpha" } } });
saw.stats = await ask("GET", `/ai/indexes/${index.id}/stats`);
saw.listed = (await ask("GET", "/ai/indexes")).map(({ id, status }) => [id === index.id, status]);
saw.duplicate = await refusal(() => ask("POST", "/ai/indexes", policy));

const delta = await db.records.create({ label: "Doc", data: { title: "Delta", content: "Fourth" } });
const items = [{ recordId: delta.id(), vector: [-1, 0, 0] }];
saw.upserted = await ask("POST", `/ai/indexes/${index.id}/vectors/upsert`, { items });
saw.moved = (await near([-1, 0, 0]))[0];
await delta.update({ year: 1994 });
await delta.set({ title: "Delta", content: "changed" });
saw.kept = (await near([-1, 0, 0]))[0];

// -- records

const data = {
  name: 'Zoë "🚀"',
  year: 2026,
  rating: 4.5,
  draft: false,
  tags: ["a", "b"],
  at: "2026-03-01T12:00:00.000Z",
};
const made = await db.records.create({ label: "Thing", data: { ...data, nothing: undefined } });
saw.made = plain(made);
saw.types = made.proptypes();
saw.date = Math.abs(made.date().getTime() - Date.now()) < 60_000;
saw.found = plain(await db.records.findById(made.id()));
const drafted = await db.records.create({
  label: "Thing",
  data: [
    { name: "name", type: "string", value: "drafted" },
    { name: "code", type: "string", value: "2026-01-01" },
    { name: "sizes", type: "number", value: "1,2,3", valueSeparator: "," },
  ],
});
saw.drafted = [plain(drafted), drafted.proptypes()];
saw.updated = plain(await made.update({ year: 1994 }));
saw.replaced = plain(await db.records.set({ target: made, label: "Thing", data: { name: "Zoë" } }));

const upsert = (row, options = {}) =>
  db.records.create({
    label: "Keyed",
    data: row,
    options: { suggestTypes: true, mergeBy: ["slug"], ...options },
  });
const first = await upsert({ slug: "warp", title: "Warp" });
const second = await upsert({ slug: "warp", year: 1994 });
saw.upsert = [first.id() === second.id(), plain(second)];
saw.rewritten = plain(await upsert({ slug: "warp" }, { mergeStrategy: "rewrite" }));

await createMany("Box", [
  { name: "outer", Doll: [{ name: "inner" }, { name: "other", Bead: { name: "red" } }] },
]);
saw.nested = {};
for (const label of ["Box", "Doll", "Bead"]) {
  saw.nested[label] = names(await db.records.find({ labels: [label] }));
}

// -- labels and properties

saw.labels = (await db.labels.find({ labels: ["Box", "Doll", "Bead"] })).data;
const [named] = (await db.properties.find({ labels: ["Doll"] })).data;
saw.property = [named.name, named.type, named.recordsCount];
saw.again = (await db.properties.findById(named.id)).data.name;
saw.values = (await db.properties.values(named.id, { labels: ["Doll"], orderBy: "desc" })).data;

// -- relationships

const [hub, spoke, rim] = await Promise.all(
  ["hub", "spoke", "rim"].map((name) => db.records.create({ label: "Wheel", data: { name } })),
);
await hub.attach([spoke, rim], { type: "TURNS" });
await db.records.attach({ source: spoke, target: rim, options: { direction: "in" } });
const edges = async (where = {}) => (await db.relationships.find({ where, source: { labels: ["Wheel"] } })).data;
saw.edges = (await edges({ type: "TURNS" })).map((edge) => [edge.sourceLabel, edge.type, edge.targetLabel]);
await hub.detach(rim, { typeOrTypes: ["TURNS"] });
saw.edgesLeft = (await edges()).map((edge) => edge.type).sort();

// -- transactions

const tx = await db.tx.begin({ ttl: 20000 });
const [staged] = await Promise.all(
  ["one", "two"].map((name) => db.records.create({ label: "Staged", data: { name } }, tx)),
);
await db.records.update({ target: staged, label: "Staged", data: { n: 1 } }, tx);
await tx.commit();
const other = await db.tx.begin();
await db.records.create({ label: "Staged", data: { name: "three" } }, other);
const seen = names(await db.records.find({ labels: ["Staged"] }, other));
await other.rollback();
saw.transactions = [
  seen,
  names(await db.records.find({ labels: ["Staged"] })),
  (await refusal(() => db.tx.get(other.id))).length > 0,
];

// -- finding

const people = [
  { name: "Ada", born: 1815, tags: ["math", "poetry"], known: true },
  { name: "Alan", born: 1912, tags: ["math"], known: true },
  { name: "grace", born: 1906, known: false },
  { name: "Edsger" },
];
await createMany("Person", people);
saw.conditions = [];
for (const where of JSON.parse(process.env.PEER_CONDITIONS)) {
  const found = await db.records.find({ labels: ["Person"], where });
  saw.conditions.push([names(found), found.total]);
}
const Person = new sdk.Model("Person", { name: { type: "string" }, born: { type: "number" } });
await Person.create({ name: "Grete", born: 1901 });
saw.model = names(await Person.find({ where: { born: { $lt: 1902 } } }));
saw.oldest = (await db.records.findOne({ labels: ["Person"], orderBy: { born: "asc" } })).data.name;
saw.unique = (await db.records.findUniq({ labels: ["Person"], where: { name: "Ada" } })).data.born;
saw.notUnique = (await refusal(() => db.records.findUniq({ labels: ["Person"] }))).slice(0, 37);
const page = await db.records.find({ labels: ["Person"], orderBy: { name: "asc" }, limit: 2, skip: 1 });
saw.page = [page.data.map((record) => record.data.name), page.total];

// -- deleting, and what goes wrong

const [alpha, beta, gamma] = docs.data;
await alpha.delete();
await db.records.deleteById([beta.id(), gamma.id()]);
saw.left = await near([1, 0, 0]);
await db.records.delete({ labels: ["Person"], where: { born: { $lt: 1910 } } });
saw.survivors = names(await db.records.find({ labels: ["Person"] }));
await ask("DELETE", `/ai/indexes/${index.id}`);

saw.errors = {
  gone: await refusal(() => db.records.findById(alpha.id())),
  noPolicy: await refusal(() => near([1, 0, 0])),
  noProperty: await refusal(() => db.records.create({ label: "Thing", data: {} })),
  limit: await refusal(() => db.records.find({ limit: 0 })),
  everything: await refusal(() => db.records.delete({ where: {} })),
  // An older form of RushDB's: POST /records with ids, which is a create without a label.
  findByIds: await refusal(() => db.records.findById([delta.id()])),
};

// Of a refusal this SDK leaves the body unread, which would keep its connection, and the process, open.
process.stdout.write(JSON.stringify(saw), () => process.exit());
