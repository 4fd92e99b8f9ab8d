// Bodies as streams, and what a Response is made of.
const attempt = async (f) => { try { return await f(); } catch (e) { return e.name; } };
const text = (bytes) => new TextDecoder().decode(bytes);
const cases = {
  nothing: () => [new Response().body, new Response(null).body, Response.error().body, new Response(null, { status: 204 }).body, new Request("https://a.example").body],
  empty: async () => { const r = new Response(""), { value, done } = await r.body.getReader().read(); return [r.body === null, value ?? null, done, r.bodyUsed]; },
  reader: async () => {
    const r = new Response("abc"), { body } = r, seen = [body.locked, r.bodyUsed], reader = body.getReader();
    seen.push(body.locked, r.bodyUsed);
    const reading = reader.read();
    seen.push(r.bodyUsed);
    const { value, done } = await reading;
    seen.push(text(value), value.constructor.name, done, (await reader.read()).done, (await reader.closed) ?? null);
    reader.releaseLock();
    return [...seen, body.locked, r.bodyUsed, String(body), body.constructor.name, reader.constructor.name];
  },
  "read twice": async () => { const r = new Response("abc"); await r.body.getReader().read(); await r.text(); },
  "locked and read": async () => { const r = new Response("abc"); r.body.getReader(); await r.text(); },
  "locked and cloned": () => { const r = new Response("abc"); r.body.getReader(); r.clone(); },
  "a request locked and cloned": () => { const r = new Request("https://a.example", { method: "POST", body: "abc" }); r.body.getReader(); r.clone(); },
  "locked twice": () => { const r = new Response("abc"); r.body.getReader(); r.body.getReader(); },
  released: async () => { const r = new Response("abc"), reader = r.body.getReader(); reader.releaseLock(); reader.releaseLock(); return [await r.text(), r.bodyUsed]; },
  "released and read": async () => { const reader = new Response("abc").body.getReader(); reader.releaseLock(); await reader.read(); },
  "released and cancelled": async () => { const reader = new Response("abc").body.getReader(); reader.releaseLock(); await reader.cancel(); },
  "released and closed": async () => { const reader = new Response("abc").body.getReader(); reader.releaseLock(); await reader.closed; },
  "released while waiting": async () => { const reader = new Response("abc").body.getReader(), { closed } = reader; reader.releaseLock(); await closed; },
  "closed by the last piece": async () => { const reader = new Response("abc").body.getReader(), { closed } = reader; await reader.read(); return (await closed) ?? null; },
  cancel: async () => { const r = new Response("abc"), given = await r.body.cancel(); return [given ?? null, r.bodyUsed, r.body.locked, (await r.body.getReader().read()).done]; },
  "cancel of a reader": async () => { const r = new Response("abc"), reader = r.body.getReader(); await reader.cancel("why"); return [(await reader.read()).done, (await reader.closed) ?? null, r.bodyUsed, r.body.locked]; },
  "cancel of what is locked": async () => { const r = new Response("abc"); r.body.getReader(); await r.body.cancel(); },
  "text after cancel": async () => { const r = new Response("abc"); await r.body.cancel(); await r.text(); },
  each: async () => { const r = new Response("abc"), seen = []; for await (const piece of r.body) seen.push(text(piece), r.body.locked); let more = 0; for await (const _ of r.body) more += 1; return [...seen, r.bodyUsed, r.body.locked, more]; },
  "each with a break": async () => { const r = new Response("abc"); for await (const _ of r.body) break; return [r.bodyUsed, r.body.locked, (await r.body.getReader().read()).done]; },
  "each with a throw": async () => { const r = new Response("abc"); try { for await (const _ of r.body) throw new RangeError("x"); } catch (e) { return [e.name, r.bodyUsed, r.body.locked]; } },
  "each without cancel": async () => { const r = new Response("abc"); for await (const _ of r.body.values({ preventCancel: true })) break; return [r.bodyUsed, r.body.locked]; },
  "text and then the stream": async () => { const r = new Response("abc"), { body } = r; await r.text(); return [body === r.body, body.locked, r.bodyUsed]; },
  "the stream after text": async () => { const r = new Response("abc"); await r.text(); return [r.body.locked, r.bodyUsed]; },
  "clone beside a stream": async () => { const r = new Response("abc"), before = r.body.locked, c = r.clone(); return [before, await c.text(), r.body.locked, r.bodyUsed, await r.text()]; },
  "a request's": async () => { const r = new Request("https://a.example", { method: "POST", body: "abc" }), { value } = await r.body.getReader().read(); return [text(value), r.bodyUsed]; },
  redirect: () => [Response.redirect("https://a.example/x y", 301), Response.redirect(new URL("https://a.example"))].map((r) => [r.status, r.statusText, [...r.headers], r.body, r.url, r.type, r.redirected, r.ok]),
  "redirect with another status": () => Response.redirect("https://a.example", 200),
  "redirect to nowhere": () => Response.redirect("nowhere"),
  "a body that may not be": () => new Response("x", { status: 204 }),
  cookies: () => new Headers({ "x-a": "1" }).getSetCookie(),
  "no body, twice": async () => { const r = new Response(null); return [await r.text(), await r.text(), r.bodyUsed]; },
  "body of one that was read": async () => { const r = new Response("abc"); await r.text(); return [r.body.locked, r.bodyUsed, r.body === r.body]; },
  "clone with a stream": async () => { const r = new Response("abc"); r.body; const c = r.clone(); return [await c.text(), await r.text(), r.bodyUsed, c.bodyUsed]; },
  "a request of one that was read": async () => { const r = new Request("https://a.example/x", { method: "POST", body: "x" }); await r.text(); return [await attempt(() => new Request(r)), await attempt(() => new Request(r, { body: "y" }).text())]; },
  "a request of one with a body": async () => { const q = new Request("https://a.example/x", { method: "POST", body: "x" }), p = new Request(q); return [q.bodyUsed, p.bodyUsed, await p.text()]; },
  "a clone of one with a body": async () => { const q = new Request("https://a.example/x", { method: "POST", body: "x" }), p = q.clone(); return [q.bodyUsed, p.bodyUsed, await p.text(), await q.text()]; },
  "a request without a signal": () => { const q = new Request("https://a.example/x"); new Request(q); return [q.bodyUsed, q.signal.aborted, q.signal === q.signal]; },
  "a response of a body": async () => { const r = new Response("abc"), s = new Response(r.body, r), seen = await s.text(); return [seen, await attempt(() => r.text())]; },
  "what statuses are": async () => [new Response("", { status: "404" }).status, new Response("", { status: 200.7 }).status, await attempt(() => new Response("", { status: null })), new Response(null, null).status, Response.redirect("https://a.example/", "301").status],
  "what is no response": async () => [await attempt(() => new Response("", { statusText: "\n" })), await attempt(() => Response.json(undefined))],
  "reasons of an abort": () => { const c = new AbortController(); c.abort(null); return [c.signal.reason, AbortSignal.abort(null).reason, AbortSignal.abort().reason.name]; },
  "headers that change meanwhile": () => { const seen = [], h = new Headers({ a: "1", b: "2", c: "3" }); for (const [k, v] of h) { seen.push(k + v); h.delete("b"); } return seen; },
  "listeners until an abort": () => { const c = new AbortController(), seen = [], e = new EventTarget(); e.addEventListener("x", () => seen.push(1), { signal: c.signal }); e.dispatchEvent(new Event("x")); c.abort(); e.dispatchEvent(new Event("x")); return seen; },
  "a promisified timer": async () => [await require("util").promisify(setTimeout)(5, "v"), await attempt(() => { const c = new AbortController(); setTimeout(() => c.abort(), 1); return require("timers/promises").setTimeout(50, "v", { signal: c.signal }); })],
  "what was thrown elsewhere": async () => {
    const seen = [], listener = (e, origin) => seen.push(`${e.message} ${origin}`);
    process.on("uncaughtException", listener);
    queueMicrotask(() => { throw new Error("m"); });
    await new Promise((ok) => setTimeout(ok, 3));
    const c = new AbortController();
    c.signal.addEventListener("abort", () => { throw new Error("l"); });
    c.signal.addEventListener("abort", () => seen.push("second"));
    c.abort();
    await new Promise((ok) => setTimeout(ok, 3));
    process.off("uncaughtException", listener);
    return seen.sort();
  },
  "codes that are none": async () => [await attempt(() => process.exit("abc")), await attempt(() => { process.exitCode = "x"; }), process.exitCode ?? null, await attempt(() => process.nextTick("x"))],
};
(async () => {
  const result = {};
  for (const [name, f] of Object.entries(cases)) result[name] = (await attempt(f)) ?? null;
  console.log(JSON.stringify(result));
})();
