import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { inspect } from "node:util";

import * as argus from "../dist/index.js";

// A platform that gives these answers, one after the other, and keeps what it was asked.
async function platform(answers, run) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const { method, url, headers } = request;
    asked.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    const [status, body, more = {}] = answers[Math.min(asked.length, answers.length) - 1];
    if (status === 0) return request.socket.destroy();
    if (status === -1) return; // says nothing
    response.writeHead(status, more).end(typeof body === "string" ? body : JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await run(`http://127.0.0.1:${server.address().port}`, asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const LATER = [503, { error: "later", code: "BUSY" }, { "retry-after": "0" }];

test("what is safe to send again is, under one name, and nothing else", async () => {
  const created = { job_ids: ["1"], task_definition_ids: [1], time_frames: [60], account_balance: 0 };
  const cases = [
    ["a read", [LATER, [0], [200, { task_id: 7 }]], (client) => client.task(7), 3],
    ["a creation", [[0], LATER, [200, created]], (client) => client.createJobs([{}]), 3],
    ["a dry run", [LATER], (client) => client.dryRun({}), 1],
    ["a key", [[0], LATER], (client) => client.createKey("0x1", "user"), 1],
    ["a fault", [[422, { error: "no", code: "NO" }]], (client) => client.task(7), 1],
    ["a read that is sent elsewhere, with the key", [[307, {}, { location: "/elsewhere" }]], (client) => client.task(7), 1],
    ["a read that stays busy", [LATER], (client) => client.task(7), 3],
  ];
  for (const [what, answers, call, times] of cases) {
    await platform(answers, async (url, asked) => {
      const done = await call(new argus.Client(url, { key: "k" })).catch((error) => error);
      assert.equal(asked.length, times, what);
      assert.equal(done instanceof argus.ArgusError, answers.at(-1)[0] !== 200, what);
      const names = new Set(asked.map(({ headers }) => headers["idempotency-key"]));
      assert.equal(names.size, 1, `${what}: ${[...names]}`);
      assert.equal(names.has(undefined), what !== "a creation", what);
    });
  }
});

test("a call ends at its deadline", async () => {
  for (const answers of [[[-1]], [[503, {}, { "retry-after": "60" }]]]) {
    await platform(answers, async (url) => {
      const client = new argus.Client(url, { deadlineMs: 50 });
      await assert.rejects(client.task(1), argus.DeadlineError);
      if (answers[0][0] === -1) await assert.rejects(client.dryRun({}), argus.DeadlineError);
    });
  }
});

test("a refusal has its status, word, sentence and faults", async () => {
  const details = [{ path: "[0].timezone", code: "ZONE", message: "no such zone" }];
  await platform([[422, { error: "no", code: "VALIDATION_FAILED", details }]], async (url) => {
    const refused = await new argus.Client(url).createJobs([{}]).catch((error) => error);
    assert.ok(refused instanceof argus.Refusal);
    assert.deepEqual([refused.status, refused.code, refused.message], [422, "VALIDATION_FAILED", "no"]);
    assert.deepEqual(refused.faults, details);
  });
  await platform([[400, "<html>a proxy's words</html>"]], async (url) => {
    const refused = await new argus.Client(url).task(1).catch((error) => error);
    assert.deepEqual([refused.code, refused.faults], ["UNKNOWN", []]);
  });
  const refusal = { status: "validation_failed", message: "it threw", validation_log: "closed" };
  await platform([[200, refusal]], async (url) => {
    const refused = await new argus.Client(url).createJobs([{}]).catch((error) => error);
    assert.ok(refused instanceof argus.ScriptRefusal);
    assert.deepEqual([refused.message, refused.log], ["it threw", "closed"]);
  });
});

test("integers keep their digits, both ways", async () => {
  const text = '{"job_id":"1","fuel":9007199254740993,"small":-7,"float":1.5e300,"text":"9007199254740993 \\" 9007199254740993"}';
  await platform([[200, text]], async (url, asked) => {
    const got = await new argus.Client(url).call("POST", "/any", { big: 2n ** 255n });
    const words = '9007199254740993 " 9007199254740993';
    assert.deepEqual(got, { job_id: "1", fuel: "9007199254740993", small: -7, float: 1.5e300, text: words });
    assert.equal(asked[0].body, `{"big":"${2n ** 255n}"}`);
  });
});

test("lists go on from page to page, and end", async () => {
  const next = (before) => ({ link: `</api/tasks/job/1?before=${before}&limit=2>; rel="next"` });
  const pages = [
    [200, [{ task_id: 5 }, { task_id: 4 }], next(4)],
    [200, [{ task_id: 3 }], {}],
  ];
  await platform(pages, async (url, asked) => {
    const ids = [];
    for await (const task of new argus.Client(url).tasksOfJob("1", 2)) ids.push(task.task_id);
    assert.deepEqual(ids, [5, 4, 3]);
    assert.deepEqual(asked.map((one) => one.url), ["/api/tasks/job/1?limit=2", "/api/tasks/job/1?limit=2&before=4"]);
  });
  // One that leads to itself for ever.
  await platform([[200, [{ task_id: 4 }], next(4)]], async (url, asked) => {
    let seen = 0;
    for await (const _ of new argus.Client(url).tasksOfJob("1", 2)) if (++seen > 5) break;
    assert.deepEqual([seen, asked.length], [2, 2]);
  });
});

test("an answer has a longest length", async () => {
  await platform([[200, "0123456789"]], async (url, asked) => {
    const client = new argus.Client(url);
    assert.equal(new TextDecoder().decode(await client.bundle(1, 10)), "0123456789");
    await assert.rejects(client.bundle(1, 9), /more than 9 bytes/);
    assert.equal(asked.length, 2);
  });
});

test("a name stays one part of a path, and a path below /api", async () => {
  await platform([[200, {}]], async (url, asked) => {
    const client = new argus.Client(`${url}/api/`);
    await client.deleteJob("../../x?y#z");
    assert.equal(asked[0].url, "/api/jobs/delete/..%2F..%2Fx%3Fy%23z");
    await assert.rejects(client.deleteJob(".."), argus.ArgusError);
    await assert.rejects(client.call("GET", "/../metrics"), argus.ArgusError);
    assert.equal(asked.length, 1);
  });
});

test("a key is sent in its header, and shown nowhere", async () => {
  await platform([[401, { error: "no", code: "NO" }], [0]], async (url, asked) => {
    const client = new argus.Client(url, { key: "TGRX-hidden", tries: 1 });
    const refused = await client.task(1).catch((error) => error);
    const lost = await client.task(1).catch((error) => error);
    assert.equal(asked[0].headers["x-api-key"], "TGRX-hidden");
    for (const shown of [client, refused, lost]) {
      assert.doesNotMatch(inspect(shown, { depth: 9, showHidden: true }) + JSON.stringify(shown), /hidden"?$|TGRX-hidden/);
    }
  });
});

test("wrong settings are refused at once", () => {
  for (const url of ["", "platform:9002", "ftp://platform", "/api"]) assert.throws(() => new argus.Client(url), argus.ArgusError);
});

test("a job's kind follows from its trigger and its action", () => {
  const { every, onEvent, onValue, call, computed, decided } = argus;
  const job = (trigger, action) =>
    argus.newJob({ id: 1n << 200n, owner: "0x1", title: "a job", chain: 1, trigger, action }, { keepers: 3 });
  const triggers = [every(60), onEvent(1, "0x2", "E()"), onValue("https://a.example", "usd", "less_than", "0.1")];
  for (const [n, trigger] of triggers.entries()) {
    assert.equal(job(trigger, call("0x2", "f()", [])).task_definition_id, 2 * n + 1);
    assert.equal(job(trigger, computed("0x2", "f()", "ipfs://bafy")).task_definition_id, 2 * n + 2);
  }
  const made = job(every(60), decided("ipfs://bafy"));
  assert.deepEqual([made.task_definition_id, made.job_id, made.keepers], [7, String(1n << 200n), 3]);
  assert.equal(job(argus.cron("0 8 * * *", "Europe/Vienna"), call("0x2", "f()", [])).timezone, "Europe/Vienna");
});

test("a fee is asked for with what the job says", async () => {
  await platform([[200, { current_total_fee_wei: "1" }]], async (url, asked) => {
    const { every, call, computed } = argus;
    const job = { id: 1n, owner: "0x1", title: "a job", chain: 5, trigger: every(60) };
    const client = new argus.Client(url);
    await client.fees(argus.newJob({ ...job, action: call("0x2", "f(uint256)", [2n ** 200n]) }));
    await client.fees(argus.newJob({ ...job, action: computed("0x2", "f()", "ipfs://bafy") }, { language: "ts" }));
    const queries = asked.map((one) => new URL(one.url, url).searchParams);
    assert.deepEqual(
      queries.map((query) => ["task_definition_id", "args", "ipfs_url", "language"].map((name) => query.get(name))),
      [
        ["1", `["${2n ** 200n}"]`, null, null],
        ["2", "[]", "ipfs://bafy", "ts"],
      ],
    );
  });
});

test("a signature holds for its secret, body and time alone", async () => {
  const mac = createHmac("sha256", "whsec_1").update('1700000000.{"id":1}').digest("hex");
  const good = { secret: "whsec_1", signature: `t=1700000000,v1=${mac}`, body: '{"id":1}', nowSeconds: 1_700_000_300 };
  const check = (change) => {
    const { secret, signature, body, nowSeconds } = { ...good, ...change };
    return argus.verifySignature(secret, signature, body, { nowSeconds, ageMaxSeconds: 300 });
  };
  assert.ok(await check({}));
  assert.ok(await check({ body: new TextEncoder().encode(good.body), nowSeconds: 1_699_999_700 }));
  assert.ok(await check({ signature: `t=1700000000,v1=00,v1=${mac}` }));
  for (const wrong of [
    { secret: "whsec_2" },
    { body: '{"id":2}' },
    { nowSeconds: 1_700_000_301 },
    { nowSeconds: 1_699_999_699 },
    { signature: good.signature.replace("t=17", "t=18"), nowSeconds: 1_800_000_000 },
    { signature: good.signature.replace("v1", "v0") },
    { signature: good.signature.slice(0, -2) },
    { signature: `v1=${mac}` },
    { signature: "" },
  ]) {
    assert.equal(await check(wrong), false, JSON.stringify(wrong));
  }
});

test("a runtime without WebSocket is told what to do", { skip: "WebSocket" in globalThis }, () => {
  assert.throws(() => new argus.Client("http://127.0.0.1").live("job:1"), /Node.js 22/);
});
