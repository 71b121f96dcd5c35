// The vendors' own JavaScript clients page, read, write and meet errors against the twin.
// usage: node clients.mjs BASE-URL
import assert from "node:assert/strict";
import { Client } from "@hubspot/api-client";
import Stripe from "stripe";
import { WebClient } from "@slack/web-api";

const base = process.argv[2];
const url = new URL(base);
const done = [];
const check = async (name, fn) => {
  await fn();
  done.push(name);
};
const rejects = async (promise, verify) => {
  let failure;
  try {
    await promise;
  } catch (e) {
    failure = e;
  }
  assert.ok(failure, "the call should have failed");
  verify(failure);
};

// HubSpot
const hubspot = new Client({ accessToken: "pat-twin-hubspot", basePath: base, numberOfApiCallRetries: 0 });
let someone;
await check("hubspot: every contact by pages", async () => {
  const all = await hubspot.crm.contacts.getAll(100, undefined, ["email", "lead_route"], undefined, ["companies"]);
  assert.ok(all.length > 100, `${all.length} contacts`);
  assert.equal(new Set(all.map((c) => c.id)).size, all.length);
  someone = all.find((c) => c.properties.email && c.associations?.companies);
  assert.ok(someone.createdAt instanceof Date);
});
await check("hubspot: history", async () => {
  const deals = await hubspot.crm.deals.basicApi.getPage(50, undefined, ["amount"], ["dealstage"]);
  assert.ok(deals.results.some((d) => d.propertiesWithHistory.dealstage.length > 1));
});
await check("hubspot: search", async () => {
  const found = await hubspot.crm.contacts.searchApi.doSearch({
    filterGroups: [{ filters: [{ propertyName: "email", operator: "EQ", value: someone.properties.email }] }],
    sorts: ["lastmodifieddate"], properties: ["email"], limit: 10, after: "0",
  });
  assert.equal(found.total, 1);
  assert.equal(found.results[0].id, someone.id);
});
await check("hubspot: property, upsert, mixed result", async () => {
  await hubspot.crm.properties.coreApi.create("contacts", { name: "millrace_score", label: "Score", type: "number", fieldType: "number", groupName: "contactinformation" });
  const upsert = (rows) => hubspot.crm.contacts.batchApi.upsert({ inputs: rows });
  const one = await upsert([{ id: someone.properties.email, idProperty: "email", properties: { millrace_score: "77" }, objectWriteTraceId: "a" }]);
  assert.equal(one.results[0]._new, false);
  const mixed = await upsert([
    { id: someone.properties.email, idProperty: "email", properties: { millrace_score: "78" }, objectWriteTraceId: "a" },
    { id: "new@north.example", idProperty: "email", properties: { millrace_score: "many" }, objectWriteTraceId: "b" },
  ]);
  assert.equal(mixed.numErrors, 1);
  assert.deepEqual(mixed.errors[0].context.objectWriteTraceId, ["b"]);
  const back = await hubspot.crm.contacts.basicApi.getById(someone.id, ["millrace_score"]);
  assert.equal(back.properties.millrace_score, "78");
});
await check("hubspot: one record by its life", async () => {
  const made = await hubspot.crm.contacts.basicApi.create({ properties: { email: "life@north.example" }, associations: [] });
  await hubspot.crm.contacts.basicApi.update(made.id, { properties: { firstname: "Ann" } });
  await rejects(hubspot.crm.contacts.basicApi.create({ properties: { email: "life@north.example" }, associations: [] }), (e) => {
    assert.equal(e.code, 409);
    assert.match(e.body.message, new RegExp(made.id));
  });
  await hubspot.crm.contacts.basicApi.archive(made.id);
  await rejects(hubspot.crm.contacts.basicApi.getById(made.id), (e) => assert.equal(e.code, 404));
});
await check("hubspot: associations, pipelines, owners, lists", async () => {
  const links = await hubspot.crm.associations.v4.batchApi.getPage("contacts", "companies", { inputs: [{ id: someone.id }] });
  assert.equal(String(links.results[0].to[0].toObjectId), someone.associations.companies.results[0].id);
  const pipelines = await hubspot.crm.pipelines.pipelinesApi.getAll("deals");
  assert.equal(pipelines.results[0].stages.length, 7);
  const owners = await hubspot.crm.owners.ownersApi.getPage(undefined, undefined, 100, false);
  assert.ok(owners.results.length > 2);
  const { list } = await hubspot.crm.lists.listsApi.create({ name: "Hot", objectTypeId: "0-1", processingType: "MANUAL" });
  await hubspot.crm.lists.membershipsApi.add(list.listId, [someone.id]);
  const members = await hubspot.crm.lists.membershipsApi.getPage(list.listId);
  assert.equal(members.results[0].recordId, someone.id);
});
await check("hubspot: errors", async () => {
  await rejects(hubspot.crm.contacts.basicApi.update(someone.id, { properties: { plann: "x" } }), (e) => {
    assert.equal(e.code, 400);
    assert.equal(e.body.category, "VALIDATION_ERROR");
    assert.match(JSON.stringify(e.body), /PROPERTY_DOESNT_EXIST/);
  });
  const expired = new Client({ accessToken: "pat-twin-hubspot-expired", basePath: base, numberOfApiCallRetries: 0 });
  await rejects(expired.crm.owners.ownersApi.getPage(), (e) => assert.equal(e.body.category, "EXPIRED_AUTHENTICATION"));
  const reader = new Client({ accessToken: "pat-twin-hubspot-readonly", basePath: base, numberOfApiCallRetries: 0 });
  await rejects(reader.crm.contacts.basicApi.update(someone.id, { properties: { firstname: "x" } }), (e) => {
    assert.equal(e.code, 403);
    assert.equal(e.body.category, "MISSING_SCOPES");
  });
});

// Stripe
const options = { host: url.hostname, port: url.port, protocol: "http", maxNetworkRetries: 0, telemetry: false };
const stripe = new Stripe("sk_test_twin", options);
await check("stripe: every invoice by pages", async () => {
  const seen = new Set();
  let last = Infinity;
  for await (const invoice of stripe.invoices.list({ limit: 25, expand: ["data.customer"] })) {
    assert.ok(!seen.has(invoice.id) && invoice.created <= last);
    assert.equal(invoice.customer.object, "customer");
    last = invoice.created;
    seen.add(invoice.id);
  }
  assert.ok(seen.size > 25, `${seen.size} invoices`);
});
await check("stripe: subscriptions, refunds, events", async () => {
  const subs = await stripe.subscriptions.list({ status: "all", limit: 100 }).autoPagingToArray({ limit: 10000 });
  assert.ok(subs.length > 5 && subs.every((s) => s.items.data[0].price.unit_amount > 0));
  const events = await stripe.events.list({ types: ["invoice.paid", "customer.subscription.updated"], limit: 100 });
  assert.ok(events.data.every((e) => ["invoice.paid", "customer.subscription.updated"].includes(e.type)));
  await stripe.refunds.list({ limit: 3 });
});
await check("stripe: write once under a key", async () => {
  const make = () => stripe.customers.create({ email: "js@north.example", name: "North", metadata: { from: "js" } }, { idempotencyKey: "js-1" });
  const [a, b] = [await make(), await make()];
  assert.equal(a.id, b.id);
  const changed = await stripe.customers.update(a.id, { metadata: { from: "again" } });
  assert.equal(changed.metadata.from, "again");
});
await check("stripe: errors", async () => {
  await rejects(stripe.customers.retrieve("cus_none"), (e) => {
    assert.equal(e.type, "StripeInvalidRequestError");
    assert.equal(e.code, "resource_missing");
    assert.ok(e.requestId);
  });
  await rejects(new Stripe("sk_test_wrong_key_here", options).customers.list(), (e) => assert.equal(e.type, "StripeAuthenticationError"));
  await rejects(
    stripe.customers.create({ email: "other@north.example" }, { idempotencyKey: "js-1" }),
    (e) => assert.equal(e.type, "StripeIdempotencyError"),
  );
});

// Slack
const slack = new WebClient("xoxb-twin-slack", { slackApiUrl: base + "/api/", retryConfig: { retries: 0 }, rejectRateLimitedCalls: true });
let channel;
await check("slack: who and where", async () => {
  assert.equal((await slack.auth.test()).team, "Millstone");
  const found = [];
  for await (const page of slack.paginate("conversations.list", { limit: 2, exclude_archived: true })) found.push(...page.channels);
  assert.equal(found.length, 4);
  channel = found.find((c) => c.name === "revenue").id;
});
await check("slack: post, reply, update, read back", async () => {
  const first = await slack.chat.postMessage({ channel, text: "Monday", blocks: [{ type: "section", text: { type: "mrkdwn", text: "*Monday*" } }], metadata: { event_type: "report", event_payload: { week: 10 } } });
  for (const n of [1, 2, 3]) await slack.chat.postMessage({ channel, text: `note ${n}`, thread_ts: first.ts });
  await slack.chat.update({ channel, ts: first.ts, text: "Monday, corrected" });
  const history = await slack.conversations.history({ channel, include_all_metadata: true });
  assert.equal(history.messages[0].text, "Monday, corrected");
  assert.equal(history.messages[0].metadata.event_payload.week, 10);
  const thread = [];
  for await (const page of slack.paginate("conversations.replies", { channel, ts: first.ts, limit: 2 })) thread.push(...page.messages);
  assert.deepEqual(thread.map((m) => m.text), ["Monday, corrected", "note 1", "note 2", "note 3"]);
});
await check("slack: file", async () => {
  const done = await slack.filesUploadV2({ channel_id: channel, file: Buffer.from("a,b\n1,2\n"), filename: "report.csv", initial_comment: "the numbers" });
  assert.equal(done.ok, true);
  const history = await slack.conversations.history({ channel, limit: 1 });
  assert.equal(history.messages[0].files[0].name, "report.csv");
});
await check("slack: errors", async () => {
  await rejects(slack.chat.postMessage({ channel: "C0NOWHERE1", text: "x" }), (e) => assert.equal(e.data.error, "channel_not_found"));
  await rejects(slack.chat.postMessage({ channel: "C0BOARD001", text: "x" }), (e) => assert.equal(e.data.error, "not_in_channel"));
  await rejects(slack.chat.postMessage({ channel, text: "x", blocks: [{ type: "carousel" }] }), (e) => assert.equal(e.data.error, "invalid_blocks"));
  const stranger = new WebClient("xoxb-nobody", { slackApiUrl: base + "/api/", retryConfig: { retries: 0 } });
  await rejects(stranger.auth.test(), (e) => assert.equal(e.data.error, "invalid_auth"));
});

// Errors on request, seen through the clients.
const fault = async (rule) => {
  await fetch(base + "/_twin/faults", { method: "DELETE" });
  if (rule) assert.equal((await fetch(base + "/_twin/faults", { method: "POST", body: JSON.stringify(rule) })).status, 200);
};
await check("throttled", async () => {
  await fault({ kind: "status_429" });
  await rejects(hubspot.crm.owners.ownersApi.getPage(), (e) => {
    assert.equal(e.code, 429);
    assert.equal(e.body.policyName, "TEN_SECONDLY_ROLLING");
  });
  await rejects(stripe.customers.list(), (e) => assert.equal(e.type, "StripeRateLimitError"));
  await rejects(slack.auth.test(), (e) => assert.equal(e.code, "slack_webapi_rate_limited_error"));
});
await check("connection lost after the write", async () => {
  await fault({ kind: "drop_after", vendor: "stripe", method: "POST", times: 2 }); // the client itself tries a closed connection twice
  const make = () => stripe.customers.create({ email: "lost@north.example" }, { idempotencyKey: "js-2" });
  await rejects(make(), (e) => assert.equal(e.type, "StripeConnectionError"));
  await make();
  const all = await stripe.customers.list({ email: "lost@north.example" });
  assert.equal(all.data.length, 1);
  await fault();
});

for (const name of done) console.log("ok", name);
console.log(`${done.length} passed, 0 failed`);
