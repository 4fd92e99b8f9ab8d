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
};
(async () => {
  const result = {};
  for (const [name, f] of Object.entries(cases)) result[name] = (await attempt(f)) ?? null;
  console.log(JSON.stringify(result));
})();
