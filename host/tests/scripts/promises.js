// In which order what waits for promises goes on, as Node 20 prints it.
const out = [];
const log = (x) => out.push(x);
class P extends Promise {}
async function main() {
  const a = (async () => { log("a0"); await null; log("a1"); return 7; })();
  const b = (async () => { log("b0"); const v = await a; log("b1:"+v); throw new Error("eb"); })();
  b.catch((e) => log("caught " + e.message));
  Promise.resolve({ then(ok) { log("then called"); ok(3); } }).then((v) => log("thenable " + v));
  Promise.resolve(1).then(() => log("r1")).then(() => log("r2")).then(() => log("r3"));
  (async () => { const v = await { then(ok, no) { no("nope"); } }; })().catch((v) => log("rejected " + v));
  (async () => Promise.resolve(5))().then((v) => log("nested " + v));
  let self; self = (async () => { await null; return self; })(); self.catch((e) => log(e.constructor.name));
  Promise.reject("x").catch((v) => log("rej " + v));
  P.resolve(4).then((v) => log("P " + v + (P.resolve(1) instanceof P)));
  log(P.resolve(Promise.resolve(1)) instanceof P);
  log(Promise.resolve(a) === a);
  const w = {}; w.promise = new Promise((a, b) => { w.resolve = a; }); w.promise.then((v) => log("w " + v)); w.resolve(Promise.resolve(9)); w.resolve(8);
  async function* g() { yield 1; yield Promise.resolve(2); }
  for await (const v of g()) log("g" + v);
  const over = (async function* () { yield 1; })();
  const asked = [over.return(4), over.next(), over.return(Promise.reject("gone")), over.throw("thrown"), over.next()];
  log(JSON.stringify(await Promise.allSettled(asked)));
  const all = await Promise.allSettled([1, Promise.reject(2), a, (async () => { throw 3; })()]);
  log(JSON.stringify(all));
  try { await Promise.any([Promise.reject(1)]); } catch (e) { log(e.constructor.name); }
  log(await Promise.race([new Promise(() => {}), Promise.resolve("race")]));
  const getter = Promise.resolve({ get then() { throw new Error("getter"); } }); getter.catch((e) => log(e.message));
  await null; await null; await null; await null;
}
main().then(() => { log("done"); console.log(JSON.stringify(out)); });
