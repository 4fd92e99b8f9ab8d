//! Scripts as users write them: languages, results, ends, and the JavaScript surface.

mod common;

use argus_domain::{
    module::Language,
    run::{FailureKind, RunEnd},
};
use argus_ports::RunnerError;
use common::{bench, expect_failure, value};
use sha2::{Digest, Sha256};

#[tokio::test]
async fn results_come_from_print_or_from_an_exported_function() {
    let b = bench();
    for (name, source, expect) in [
        ("print", "console.log(JSON.stringify([1, 'a']))", r#"[1,"a"]"#),
        ("stdout", "process.stdout.write('[1'); process.stdout.write(',2]\\n')", "[1,2]"),
        ("default", "export default (ctx) => [ctx.arguments[0], ctx.attempt]", r#"["5",1]"#),
        (
            "async default",
            "export default async function main(ctx) { await null; return [ctx.job_id]; }",
            r#"["0"]"#,
        ),
        ("named", "export function resolve() { return [true] }", "[true]"),
        ("commonjs", "module.exports = () => [3]", "[3]"),
        ("thenable", "module.exports = () => ({ then(done) { setTimeout(done, 5, [4]) } })", "[4]"),
        ("commonjs main", "exports.main = async () => [4]", "[4]"),
        ("require.main", "if (require.main === module) console.log('[5]')", "[5]"),
        ("top-level await", "const v = await Promise.resolve(6); console.log(`[${v}]`)", "[6]"),
        ("print wins", "module.exports = () => [0]; console.log('[7]')", "[7]"),
        ("function prints", "module.exports = () => { console.log('[8]'); return [0]; }", "[8]"),
        (
            "bigint",
            "export default () => [2n ** 256n - 1n]",
            "[115792089237316195423570985008687907853269984665640564039457584007913129639935]",
        ),
        (
            "asUintN",
            "export default () => [BigInt.asUintN(256, -1n)]",
            "[115792089237316195423570985008687907853269984665640564039457584007913129639935]",
        ),
        (
            "exact printed",
            "console.log('[115792089237316195423570985008687907853269984665640564039457584007913129639935]')",
            "[115792089237316195423570985008687907853269984665640564039457584007913129639935]",
        ),
        ("object", "console.log(JSON.stringify({shouldExecute: true}))", r#"{"shouldExecute":true}"#),
        ("exit 0", "console.log('[9]'); process.exit(0); console.log('never')", "[9]"),
        ("stderr is the log", "console.error('hello'); console.warn('x'); console.log('[10]')", "[10]"),
        ("sloppy", "x = 11; console.log('[' + x + ']')", "[11]"),
        ("shebang", "#!/usr/bin/env node\nconsole.log('[12]')", "[12]"),
        (
            "process.env",
            "console.log(JSON.stringify([process.env.ARGUS_TRIGGER_KIND, process.env.HOME ?? null]))",
            r#"["manual",null]"#,
        ),
        (
            "stdin",
            "const c = JSON.parse(require('fs').readFileSync(0, 'utf8')); console.log(JSON.stringify(c.arguments))",
            r#"["5",["a"]]"#,
        ),
    ] {
        let report = b.js(source).await;
        assert_eq!(value(&report), expect, "{name}");
    }
}

#[tokio::test]
async fn typescript_with_types_enums_and_generics_runs() {
    let b = bench();
    let source = include_str!("scripts/price.ts");
    let report = b.ts(source).await;
    assert_eq!(value(&report), r#"["1234567890",2,"HIGH","0x0000000000000000000000000000000000000001"]"#);
    assert_eq!(report.host_calls, 1);
    assert!(report.log.contains("price 1234.567890"), "{}", report.log);
}

#[tokio::test]
async fn scripts_of_real_users_run_as_they_are() {
    let b = bench();
    for (source, expect) in [
        (
            include_str!("scripts/placeholder.ts"),
            r#"["0x0000000000000000000000000000000000000002","1000000000000000000",true]"#,
        ),
        (
            include_str!("scripts/choose-call.ts"),
            r#"{"shouldExecute":true,"targetContract":"0x0000000000000000000000000000000000000003","calldata":"0xa9059cbb00000000000000000000000000000000000000000000000000000000000000040000000000000000000000000000000000000000000000000de0b6b3a7640000","storageUpdates":{"lastRun":"1735689600000"},"metadata":{"timestamp":1735689600000,"reason":"price 1234.567890","gasEstimate":200000}}"#,
        ),
    ] {
        let report = b.ts(source).await;
        assert_eq!(value(&report), expect);
    }
}

#[tokio::test]
async fn ends_that_are_no_result_say_why() {
    let b = bench();
    for (name, source, parts) in [
        ("no JSON", "console.log('price is 3')", &["exactly one JSON value", "price is 3"][..]),
        ("two values", "console.log('[1]'); console.log('[2]')", &["more after the first", "[1]\n[2]"]),
        ("nothing", "let x = 1", &["printed nothing"]),
        ("undefined", "export default () => undefined", &["undefined, which is not a JSON value"]),
        ("null", "export default () => null", &["returned null, which is no result"]),
        ("null later", "export default async () => null", &["returned null, which is no result"]),
        ("null as module", "module.exports = () => null", &["returned null, which is no result"]),
        ("no number", "export default () => NaN", &["NaN, which is not a JSON value"]),
        ("throw", "function f() { throw new Error('boom') }\nf()", &["Error: boom", "script.js:1"]),
        ("throw line", "\n\nnull.x", &["TypeError", "script.js:3"]),
        (
            "rejection",
            "async function g() { throw new TypeError('late') }\ng()",
            &["TypeError: late", "at g"],
        ),
        ("rejected top-level", "await Promise.reject(new Error('tla'))", &["Error: tla"]),
        ("not an error", "Promise.reject({ code: 7 })", &["Uncaught { code: 7 }"]),
        ("timer throws", "setTimeout(() => { throw new RangeError('tick') }, 5)", &["RangeError: tick"]),
        ("never resolves", "await new Promise(() => {})", &["nothing can resolve"]),
        ("function never resolves", "export default () => new Promise(() => {})", &["nothing can resolve"]),
        ("exit code", "console.error('no luck'); process.exit(3)", &["exit code 3", "no luck"]),
        ("exitCode", "console.log('[1]'); process.exitCode = 4", &["exit code 4"]),
        ("unknown module", "require('left-pad')", &["Cannot find module 'left-pad'", "bundle what it needs"]),
    ] {
        let report = b.js(source).await;
        let (kind, message) = common::failed(&report);
        assert_eq!(kind, FailureKind::Script, "{name}: {message}");
        for part in parts {
            assert!(message.contains(part), "{name}: {part:?} is not in {message:?}");
        }
    }
}

#[tokio::test]
async fn skip_is_no_failure() {
    let b = bench();
    for (source, reason) in [
        ("console.error('too early'); process.exit(64)", "too early"),
        ("process.exit(64)", "skipped"),
        ("argus.skip('price below 10')", "price below 10"),
        ("try { process.exit(64) } catch {} finally { console.log('[1]') }", "skipped"),
    ] {
        assert_eq!(b.js(source).await.end, RunEnd::Skipped(reason.into()), "{source}");
    }
}

#[tokio::test]
async fn sources_that_do_not_compile_are_refused_with_a_position() {
    let b = bench();
    for (language, source, part) in [
        (Language::JavaScript, "let = ;", "script.js:1"),
        (Language::JavaScript, "import x from 'left-pad'; x()", "Cannot find module 'left-pad'"),
        (Language::TypeScript, "let x: number = ;", "script.ts:1:17: "),
        (Language::JavaScript, "const a = 1;\n  let = ;", "at script.js:2:9"),
        (Language::JavaScript, "export const a = 1;\nlet b = (;", "at script.js:2:10"),
        (
            Language::JavaScript,
            "const seal = (c) => c;\n@seal\nclass A {}",
            "js: SyntaxError: decorators are not supported: call what they name on the class or on its member instead\n    at script.js:2:1",
        ),
        (
            Language::JavaScript,
            "class A {\n  x = 1; @get y = 2;\n}",
            "decorators are not supported: call what they name on the class or on its member instead\n    at script.js:2:10",
        ),
        (
            Language::TypeScript,
            "type T = number;\nclass A {\n  /* ü */ @log m(): T { return 1 }\n}",
            "ts: SyntaxError: decorators are not supported: call what they name on the class or on its member instead\n    at script.ts:3:11",
        ),
        (
            Language::TypeScript,
            "class A {\n  constructor(private a: number, @inject() b: string) {}\n}",
            "decorators are not supported: call what they name on the class or on its member instead\n    at script.ts:2:34",
        ),
        (Language::JavaScript, "const a = '@'; let b = = 1;", "unexpected token in expression: '='"),
        (Language::Go, "package main", "argus module build"),
        (Language::Python, "print(1)", "Python"),
    ] {
        match b.run_with(source.as_bytes(), language, argus_domain::limits::Limits::DEFAULT).await {
            Err(RunnerError::Refused(refusal)) => {
                let all = refusal.reasons.join("\n");
                assert!(all.contains(part), "{part:?} is not in {all:?}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

/// The types are gone before the engine sees the script, and so are lines; positions are the author's nevertheless.
#[tokio::test]
async fn failures_show_where_the_author_wrote_it() {
    let b = bench();
    let typescript = "interface Gone {\n  a: number;\n}\n\nenum Kind { One = 1, Two }\ntype Also = Gone;\n\nfunction inner(x: Gone | null): number {\n  const é: string = 'ü'; const y = x!.a;\n  return y;\n}\n\nclass Box<T> {\n  constructor(private readonly v: T) {}\n  open(): number { return inner(this.v as never); }\n}\n\nasync function main(): Promise<void> {\n  await Promise.resolve();\n  new Box<null>(null).open();\n}\nmain();\nexport {};\n";
    let report = b.ts(typescript).await;
    let (kind, message) = common::failed(&report);
    assert_eq!(kind, FailureKind::Script);
    let expected = "TypeError: cannot read property 'a' of null\n    at inner (script.ts:9:39)\n    at open (script.ts:15:27)\n    at main (script.ts:20:23)";
    assert_eq!(message, expected);
    for (name, source, expected) in [
        (
            "the line that CommonJS is wrapped on",
            "throw new Error('x')",
            "Error: x\n    at <anonymous> (script.js:1:7)",
        ),
        (
            "a frame of the prelude",
            "[1].forEach(function each() {\n  new URL('nowhere');\n})",
            "TypeError: Invalid URL: nowhere\n    at each (script.js:2:3)\n    at forEach (native)\n    at <anonymous> (script.js:1:5)",
        ),
        (
            "a call whose arguments stand on other lines",
            "const a = 1;\nconst f = (...x) => { throw new Error(x.length,\n  a) };\n  f(a,\n  ...[a,\n  a]);",
            "Error: 3\n    at f (script.js:2:29)\n    at <anonymous> (script.js:4:3)",
        ),
        (
            "a method, and what is made with arguments",
            "class E extends Error {}\nconst o = { m(a, b) { throw new E(a,\n  b) } }, x = 'said';\no.m(x,\n  x)",
            "Error: said\n    at E (script.js:1:1)\n    at m (script.js:2:29)\n    at <anonymous> (script.js:4:3)",
        ),
        (
            "what is no function",
            "const o = {}, x = 1;\no.m(x,\n  x)",
            "TypeError: not a function\n    at <anonymous> (script.js:2:3)",
        ),
        (
            "destructuring, which fails before anything that it names",
            "function f(o) {\n  const x = 1;\n  const { a } = o;\n}\nf()",
            "TypeError: Cannot convert undefined or null to object\n    at f (script.js:3:3)\n    at <anonymous> (script.js:5:1)",
        ),
    ] {
        let report = b.js(source).await;
        assert_eq!(common::failed(&report).1, expected, "{name}");
    }
    let caused = "const options = {};\ntry {\n  null.x;\n} catch (e) {\n  options.cause = e;\n  throw new Error('outer', options);\n}";
    let parts = [
        "Error: outer\n    at <anonymous> (script.js:6:",
        "\ncaused by: TypeError: cannot read property 'x' of null\n    at <anonymous> (script.js:3:",
    ];
    expect_failure(&b.js(caused).await, FailureKind::Script, &parts);
    let logged = b
        .js("class Mine extends Error { constructor(m) { super(m); this.name = 'Mine'; Error.captureStackTrace(this, Mine) } }\nfunction f() { return new Mine('m') }\nconsole.error(f().stack);\nconsole.error(new Error('plain').stack.split('\\n')[0]); console.log('[1]')")
        .await;
    let begin = "Mine: m\n    at f (script.js:2:23)\n    at <anonymous> (script.js:3:";
    assert!(logged.log.starts_with(begin) && logged.log.ends_with(")\nError: plain\n"), "{}", logged.log);
}

/// A URL that is as it should be is parsed by one expression; with a space before it, by the rules.
#[tokio::test]
async fn what_is_parsed_quickly_is_parsed_to_the_same() {
    let source = r##"const parts = [["http", "https"], ["a.example", "localhost", "x-1.b2.c", "a1.2b", "1.2.3.4", "0x7f.1", "a.0x1", "xn--bcher-kva.example", "-a.b-", "a_b.c", "A.example", "a."], ["", ":80", ":443", ":8443", ":0", ":65536", ":08", ":"], ["", "/", "/p", "/a//b", "/a/./b", "/a/../b", "/.a", "/a.", "/a;b=c,d(e)'f!$&*+:@", "/%2e%2E/x", "/a%20b", "/[x]|^~", "/a\\b", "/ä b", "/a\"<>`{}"], ["", "?", "?x=1&y=%41", "?q='b'", "?q=\"", "?a b", "?é", "?a/../b?c"], ["", "#", "#h"]];
let all = [""]; for (const [i, list] of parts.entries()) all = all.flatMap((head) => list.map((part) => head + part + (i === 0 ? "://" : "")));
const of = (text) => { try { const u = new URL(text); return [u.href, u.protocol, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.origin].join(" "); } catch (e) { return e.constructor.name; } };
const seen = all.filter((_, i) => i % 97 === 0);
console.log(JSON.stringify([seen.length, seen.filter((text) => of(text) !== of(" " + text)).slice(0, 5)]));"##;
    let limits = argus_domain::limits::Limits::CEILING;
    let report = bench().run_with(source.as_bytes(), Language::JavaScript, limits).await.expect("a run");
    assert_eq!(value(&report), "[713,[]]");
}

/// The engine settles the promises of its own, of async functions and of host calls without the functions that a
/// program has for that.
#[tokio::test]
async fn promises_are_settled_in_the_order_of_the_standard() {
    let source = include_str!("scripts/promises.js");
    let report = bench().js(source).await;
    let expected = r#"["a0","b0",true,true,"a1","then called","r1","rej x","P 4true","b1:7","thenable 3","r2","TypeError","g1","caught eb","r3","rejected nope","nested 5","w 9","g2","[{\"status\":\"fulfilled\",\"value\":{\"value\":4,\"done\":true}},{\"status\":\"fulfilled\",\"value\":{\"done\":true}},{\"status\":\"rejected\",\"reason\":\"gone\"},{\"status\":\"rejected\",\"reason\":\"thrown\"},{\"status\":\"fulfilled\",\"value\":{\"done\":true}}]","[{\"status\":\"fulfilled\",\"value\":1},{\"status\":\"rejected\",\"reason\":2},{\"status\":\"fulfilled\",\"value\":7},{\"status\":\"rejected\",\"reason\":3}]","AggregateError","race","getter","done"]"#;
    assert_eq!(value(&report), expected);
}

#[tokio::test]
async fn headers_are_named_and_valued_by_the_standard() {
    let source = r#"const of = (f) => { try { return f() } catch (e) { return `${e.name}: ${e.message}` } };
        const h = new Headers([["X-a!#$%&'*+-.^_`|~9", "1"], ["x-A!#$%&'*+-.^_`|~9", "2"]]);
        console.log(JSON.stringify([
          [...h], ...["", "a b", "ä", "a:", "a\0"].map((name) => of(() => h.get(name))),
          ...["", " \t x  y\r\n", "é", 5, "a\nb", "a\0"].map((value) => of(() => { h.set("v", value); return h.get("v") })),
        ]))"#;
    let named = |name: &str| format!("TypeError: Headers: \"{name}\" is no header name");
    let line = "TypeError: Headers: a value must be on one line";
    let expected = serde_json::json!([
        [["x-a!#$%&'*+-.^_`|~9", "1, 2"]],
        named(""),
        named("a b"),
        named("ä"),
        named("a:"),
        named("a\0"),
        "",
        "x  y",
        "é",
        "5",
        line,
        line,
    ]);
    assert_eq!(value(&bench().js(source).await), expected.to_string());
    for init in ["'ab'", "5", "[['a']]", "[['a', 'b', 'c']]", "{ a: Symbol('b') }"] {
        let report = bench().js(&format!("new Headers({init})")).await;
        expect_failure(&report, FailureKind::Script, &["TypeError: "]);
    }
}

/// What the engine's snapshot holds is never freed; what a run leaves in circles is.
#[tokio::test]
async fn garbage_is_collected_and_what_the_engine_holds_stays() {
    let source = "for (let i = 0; i < 60000; i++) { const o = { some: [i, i + 1, { i }], math: Math }; o.self = o }
        const seen = new Map([[Math, 2]]);
        console.log(JSON.stringify([seen.get(Math), [3, 1].sort(), new URL('https://a.example/x').pathname]))";
    let limits = argus_domain::limits::Limits::CEILING;
    let report = bench().run_with(source.as_bytes(), Language::JavaScript, limits).await.expect("a run");
    assert_eq!(value(&report), r#"[2,[1,3],"/x"]"#);
    let kept = source.replace("o.self = o }", "o.self = o; all.push(o) }");
    let kept = format!("const all = []; {kept}");
    let all = bench().run_with(kept.as_bytes(), Language::JavaScript, limits).await.expect("a run");
    let (freed, held) = (report.memory_bytes, all.memory_bytes);
    assert!(freed < 12 << 20 && held > 16 << 20, "{freed} {held}");
}

#[tokio::test]
async fn hostile_nesting_is_refused_and_the_host_lives() {
    let b = bench();
    for source in [
        format!("let x = {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("let x: {}number{}", "Array<".repeat(10_000), ">".repeat(10_000)),
        format!("let x = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        for language in [Language::TypeScript, Language::JavaScript] {
            let result = b.run_with(source.as_bytes(), language, argus_domain::limits::Limits::DEFAULT).await;
            assert!(matches!(result, Err(RunnerError::Refused(_))), "{result:?}");
        }
    }
    let report = b.ts("const x: number = 1; console.log(`[${x}]`)").await;
    assert_eq!(value(&report), "[1]");
}

#[tokio::test]
async fn time_is_virtual() {
    let b = bench();
    let report = b
        .js("const t = Date.now(); const order = [];
             setTimeout(() => order.push('b'), 20); setTimeout(() => order.push('a'), 10);
             queueMicrotask(() => order.push('m'));
             await new Promise(r => setTimeout(r, 3600_000));
             let n = 0; await new Promise(r => { const i = setInterval(() => { if (++n === 3) { clearInterval(i); r() } }, 1000) });
             console.log(JSON.stringify([new Date(t).toISOString(), Date.now() - t, order, n, performance.now()]))")
        .await;
    assert_eq!(value(&report), r#"["2025-01-01T00:00:00.000Z",3603000,["m","a","b"],3,3603000]"#);
}

#[tokio::test]
async fn timers_fire_when_they_are_due() {
    let source = "const early = []; for (let ms = 1; ms <= 300; ms++) {
          const before = [Date.now(), performance.now()];
          await new Promise((fired) => setTimeout(fired, ms));
          if (Date.now() - before[0] !== ms || Math.abs(performance.now() - before[1] - ms) > 0.0005) early.push(ms);
        }
        console.log(JSON.stringify(early))";
    assert_eq!(value(&bench().js(source).await), "[]");
}

#[tokio::test]
async fn the_process_tells_of_its_end_and_of_what_nobody_caught() {
    let b = bench();
    for (source, expect) in [
        ("process.on('exit', (code) => console.log(JSON.stringify([code])))", "[0]"),
        ("process.on('exit', () => console.log('[3]')); process.exit()", "[3]"),
        ("process.once('exit', () => console.log('[4]')); module.exports = () => [5]", "[4]"),
        (
            "const seen = []; process.on('unhandledRejection', (e) => seen.push(e)); process.on('unhandledRejection', (e) => seen.push(-e));
             Promise.reject(1); Promise.reject(2); module.exports = () => seen",
            "[1,-1,2,-2]",
        ),
        (
            "const seen = []; process.once('uncaughtException', (e, from) => seen.push(e.message, from));
             setTimeout(() => { throw new Error('late') }, 5); module.exports = () => seen",
            r#"["late","uncaughtException"]"#,
        ),
        (
            "const f = () => 0, seen = []; process.on('x', f).once('x', () => seen.push('once')).on('x', (v) => seen.push(v)); process.off('x', f);
             seen.push(process.listenerCount('x'), process.emit('x', 7), process.emit('x', 8), process.emit('y')); module.exports = () => seen",
            r#"["once",7,8,2,true,true,false]"#,
        ),
        ("setInterval(() => 0, 1000).unref(); console.log('[6]')", "[6]"),
        ("process.stdout.write('\\x85 \\ufeff\\n'); module.exports = () => [7]", "[7]"),
        ("const e = new Error('a'); e.stack = 5; console.log(JSON.stringify([e.stack]))", "[5]"),
    ] {
        assert_eq!(value(&b.js(source).await), expect, "{source}");
    }
    for (source, parts) in [
        (
            "const e = new Error('round'); e.cause = e; throw e",
            &["Error: round", "script.js:1", "caused by: [Circular]"][..],
        ),
        (
            "const e = new Error('m'); Object.defineProperty(e, 'name', { value: Symbol('s') }); throw e",
            &["cannot be shown"],
        ),
        (
            "module.exports = () => ({ toJSON() { Promise.reject(new Error('left')); return [1] } })",
            &["Error: left"],
        ),
        (
            "module.exports = { get exports() {} }; Object.defineProperty(module, 'exports', { get() { throw new Error('no') } })",
            &["Error: no"],
        ),
        ("process.on('uncaughtException', 5)", &["the listener must be a function"]),
    ] {
        expect_failure(&b.js(source).await, FailureKind::Script, parts);
    }
    let report = b.js("module.exports = () => ({ toJSON() { process.exitCode = 64; return [6] } })").await;
    assert!(matches!(report.end, RunEnd::Skipped(_)), "{:?}", report.end);
}

#[tokio::test]
async fn the_web_surface_is_there() {
    let b = bench();
    for (name, source, expect) in [
        (
            "url",
            "const u = new URL('../b?x=1&y=%20#h', 'HTTPS://User:p@Example.com:443/a/c/d'); return [u.href, u.host, u.searchParams.get('y'), u.origin]",
            r#"["https://User:p@example.com/a/b?x=1&y=%20#h","example.com"," ","https://example.com"]"#,
        ),
        (
            "url ip",
            "return ['http://0x7f.1/', 'http://017700000001', 'http://[::ffff:1.2.3.4]:80/x', 'http://[1:0:0:2::]/'].map(u => new URL(u).host)",
            r#"["127.0.0.1","127.0.0.1","[::ffff:102:304]","[1:0:0:2::]"]"#,
        ),
        (
            "url bad",
            "return ['http://', 'x', 'http://a b/', 'http://1.2.3.4.5/', 'http://a:99999/'].map(u => URL.canParse(u))",
            "[false,false,false,false,false]",
        ),
        (
            "params",
            "const p = new URLSearchParams({a: '1 2', b: 'ü&'}); p.append('a', '3'); return [p.toString(), p.getAll('a')]",
            r#"["a=1+2&b=%C3%BC%26&a=3",["1 2","3"]]"#,
        ),
        (
            "url set",
            "const u = new URL('https://a.example/x'); u.searchParams.set('k', 'v w'); u.pathname = '/y z'; u.hash = 'q'; return [String(u)]",
            r#"["https://a.example/y%20z?k=v+w#q"]"#,
        ),
        (
            "text",
            "return [new TextDecoder().decode(new TextEncoder().encode('aü€😀')), [...new TextEncoder().encode('\\ud800')], new TextDecoder().decode(Uint8Array.of(0xff, 0x61, 0xe2, 0x82))]",
            "[\"aü€😀\",[239,191,189],\"\u{fffd}a\u{fffd}\"]",
        ),
        (
            "base64",
            "return [btoa('hi'), atob('aGk='), Buffer.from('ü').toString('base64'), Buffer.from('c3w', 'base64url').toString('hex')]",
            r#"["aGk=","hi","w7w=","737c"]"#,
        ),
        (
            "buffer",
            "const b = Buffer.alloc(8); b.writeUInt32BE(0xdeadbeef, 0); return [b.toString('hex'), b.readUInt16LE(0), Buffer.concat([b, Buffer.from([1])]).length, Buffer.isBuffer(b.subarray(1))]",
            r#"["deadbeef00000000",44510,9,true]"#,
        ),
        (
            "hashes",
            "return [argus.keccak256('0x'), argus.keccak256('transfer(address,uint256)').slice(0, 10), argus.sha256('abc')]",
            r#"["0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470","0xa9059cbb","0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]"#,
        ),
        (
            "digests",
            "const hex = async (n) => Buffer.from(await crypto.subtle.digest(n, new TextEncoder().encode('abc'))).toString('hex').slice(0, 16); return [await hex('SHA-1'), await hex({ name: 'SHA-256' }), await hex('SHA-384'), await hex('SHA-512'), require('crypto').createHmac('sha512', 'key').update('x').digest('hex').slice(0, 16)]",
            r#"["a9993e364706816a","ba7816bf8f01cfea","cb00753f45a35e8b","ddaf35a193617aba","57b78c19aba1f91d"]"#,
        ),
        (
            "response",
            "const r = new Response('{\"a\":1}', { status: 201, headers: { 'X-A': 'b' } }), c = r.clone(); return [await r.json(), r.bodyUsed, (await c.arrayBuffer()).byteLength, [...c.headers], Response.json([2]).headers.get('content-type'), Object.keys(c).some((k) => c[k] instanceof Uint8Array)]",
            r#"[{"a":1},true,7,[["content-type","text/plain;charset=UTF-8"],["x-a","b"]],"application/json",false]"#,
        ),
        (
            "what is equal in depth",
            "const same = require('util').isDeepStrictEqual, many = (last) => Array.from({ length: 300 }, (_, i) => (i === 299 ? last : i)); return [same({ a: 1, b: 2 }, { b: 2, a: 1 }), same(new Set([1, 2]), new Set([2, 1])), same(new Error('x'), new Error('x')), same(new Map([['k', [1]]]), new Map([['k', [1]]])), same([NaN, new Date(5)], [NaN, new Date(5)]), same(many(1), many(2)), same(new URL('https://a.example'), new URL('https://b.example')), same(new Uint8Array([1]).buffer, new Uint8Array([2]).buffer), same(() => 1, () => 2), same({ [Symbol.for('s')]: 1 }, { [Symbol.for('s')]: 2 }), same([1], ['1']), same({}, []), same(0, -0)]",
            "[true,true,true,true,true,false,false,false,false,false,false,false,false]",
        ),
        (
            "assertions",
            "const assert = require('assert'), ends = async (f) => { try { await f(); return 'held' } catch (e) { return e.name } }; return [await ends(() => assert.throws(() => { throw new TypeError('no') }, TypeError)), await ends(() => assert.throws(() => {})), await ends(() => assert.throws(() => { throw new RangeError('no') }, /no/)), await ends(() => assert.rejects(Promise.reject(new Error('a')), { message: 'b' })), await ends(() => assert.strict.equal(1, '1')), await ends(() => assert.deepEqual([1], ['1'])), await ends(() => assert.notDeepStrictEqual([1], [1])), await ends(() => assert.match('abc', /b/))]",
            r#"["held","AssertionError","held","Error","AssertionError","held","AssertionError","held"]"#,
        ),
        (
            "what is shown runs nothing and costs little",
            r#"const util = require('util'); console.error({ text: 'x'.repeat(60000) }); console.error(new Proxy({}, { ownKeys() { throw new Error('no') } })); return [util.inspect({ get a() { throw new Error('no') }, set b(v) {}, c: 'a\n', d: "it's" }), util.inspect(new URL('https://a.example/p')).includes("pathname: '/p'"), new URLSearchParams({ a: 'abcdefgh'.repeat(4000) + 'ü&' }).toString().length, new URLSearchParams('a=' + 'abcdefgh'.repeat(4000) + '%C3%BC%C3x').get('a').slice(-3), Buffer.from('a'.repeat(60000)).toString('base64').length]"#,
            r#"["{ a: [Getter], b: [Setter], c: 'a\\n', d: \"it's\" }",true,32011,"ü�x",80000]"#,
        ),
        (
            "an answer cannot be changed",
            "'use strict'; const r = await fetch('https://a.example/json'); let said; try { r.status = 500 } catch (e) { said = e instanceof TypeError } return [said, r.status, Object.keys(r), r.headers === r.headers, require('util').inspect(r).includes('status: 200'), Response.error().type]",
            r#"[true,200,[],true,true,"error"]"#,
        ),
        (
            "fetched",
            "const at = 'https://a.example/json'; const r = await fetch(at + '#part', null), c = r.clone(); return [r.url, r.redirected, c.type, await fetch(at, { signal: {} }).catch((e) => e.message), (await (await fetch(new Request(at))).json()).items]",
            r#"["https://a.example/json",false,"basic","fetch: signal is no AbortSignal",[1,2,3]]"#,
        ),
        (
            "headers",
            "const h = new Headers([['B', '2'], ['a', '1'], ['b', '3']]); h.append('C', '4'); return [[...h], [...h.keys()], h.get('B'), h.has('x'), Object.fromEntries(h)]",
            r#"[[["a","1"],["b","2, 3"],["c","4"]],["a","b","c"],"2, 3",false,{"a":"1","b":"2, 3","c":"4"}]"#,
        ),
        (
            "a body as a stream",
            "const text = async (r) => { let s = ''; for await (const piece of r.body) s += new TextDecoder().decode(piece); return s }; const r = await fetch('https://a.example/json'), c = r.clone(), reader = c.body.getReader(); const first = await reader.read(); await reader.closed; return [r.bodyUsed, await text(r), r.bodyUsed, r.body.locked, first.value instanceof Uint8Array, first.value.length, (await reader.read()).done, c.body.locked, c.bodyUsed, (await fetch('https://a.example/n/200', { method: 'HEAD' })).body, (await fetch('https://a.example/n/204')).body, await text(await fetch('https://a.example/n/200'))]",
            r#"[false,"{\"price\":\"1234.567890\",\"items\":[1,2,3]}",true,false,true,39,true,true,true,null,null,""]"#,
        ),
        (
            "a body is made a stream by whoever asks",
            "const r = await fetch('https://a.example/json'); return [(await r.json()).items.length, r.body.locked, r.body === r.body]",
            "[3,true,true]",
        ),
        (
            "node-fetch",
            "const fetch = require('node-fetch'); const r = await fetch('https://a.example/json', { timeout: 100 }); return [Buffer.isBuffer(await r.clone().buffer()), (await r.clone().text()).length, (await r.json()).items, fetch.default === require('node-fetch').default]",
            "[true,39,[1,2,3],true]",
        ),
        (
            "subtle",
            "return [Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc'))).toString('hex').slice(0, 8), crypto.getRandomValues(new Uint8Array(4)).length, crypto.randomUUID().length]",
            r#"["ba7816bf",4,36]"#,
        ),
        (
            "hmac",
            "return [require('crypto').createHmac('sha256', 'key').update('The quick brown fox jumps over the lazy dog').digest('hex')]",
            r#"["f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"]"#,
        ),
        (
            "clone",
            "const a = {d: new Date(0), m: new Map([[1, new Set([2])]]), n: null}; a.self = a; const c = structuredClone(a); return [c !== a, c.self === c, c.d.getTime(), [...c.m.get(1)]]",
            "[true,true,0,[2]]",
        ),
        (
            "abort",
            "const c = new AbortController(); let seen; c.signal.addEventListener('abort', () => seen = c.signal.reason.name); c.abort(); return [seen, c.signal.aborted]",
            r#"["AbortError",true]"#,
        ),
        (
            "locale",
            "return [(1234567.891).toLocaleString(), (12).toLocaleString('en-US', {minimumFractionDigits: 2}), 12345678901234567890n.toLocaleString()]",
            r#"["1,234,567.891","12.00","12,345,678,901,234,567,890"]"#,
        ),
        (
            "format",
            "return [require('util').format('%s=%d %j', 'a', 1, {b: 2}), require('util').inspect({a: [1, {b: {c: {}}}], s: 'x'})]",
            r#"["a=1 {\"b\":2}","{ a: [ 1, { b: [Object] } ], s: 'x' }"]"#,
        ),
        (
            "no intl",
            "return [typeof Intl, typeof WebAssembly, typeof globalThis.gc, typeof SharedArrayBuffer === 'function']",
            r#"["undefined","undefined","undefined",true]"#,
        ),
        (
            "random",
            "const r = [Math.random(), Math.random()]; return [r.every(x => x >= 0 && x < 1), r[0] !== r[1]]",
            "[true,true]",
        ),
        ("import", "const { Buffer: B } = await import('node:buffer'); return [B === Buffer]", "[true]"),
    ] {
        let report = b.js(&format!("export default async () => {{ {source} }}")).await;
        assert_eq!(value(&report), expect, "{name}");
    }
}

#[tokio::test]
async fn what_the_surface_lacks_is_named() {
    let b = bench();
    for (source, part) in [
        ("new Intl.NumberFormat('de')", "Intl is not defined"),
        ("(1).toLocaleString('de-DE')", "the locale de-DE is not available in a script; only en-US is"),
        ("(1).toLocaleString('en-US', { notation: 'compact' })", "notation: 'compact' is not available"),
        (
            "new Date().toLocaleString('en-US', { timeZone: 'Asia/Tokyo' })",
            "timeZone: 'Asia/Tokyo' is not available",
        ),
        ("await crypto.subtle.digest('MD5', new Uint8Array())", "MD5 is not available here; use SHA-1"),
        ("await crypto.subtle.sign('HMAC', {}, new Uint8Array())", "crypto.subtle.sign is not available"),
        ("(await fetch('https://a.example/json')).body.tee()", "tee() is not available here; use clone()"),
        ("(await fetch('https://a.example/json')).body.pipeThrough({})", "use getReader() or for await"),
        (
            "await fetch('https://a.example/json', { method: 'POST', body: (async function* () { yield 'a' })() })",
            "fetch: async iterable bodies are not available here",
        ),
        (
            "new ((await fetch('https://a.example/json')).body.constructor)({})",
            "a ReadableStream cannot be made here",
        ),
        (
            "require('util').types.isModuleNamespaceObject({})",
            "util.types.isModuleNamespaceObject is not available",
        ),
        (
            "new URL('https://bücher.example/')",
            "TypeError: Invalid URL: bücher.example: a host name outside ASCII is written in its xn-- form here",
        ),
        (
            "await fetch('https://bücher.example/')",
            "is written in its xn-- form here; Node's url.domainToASCII",
        ),
        ("new URL('https://a.example/').host = 'b%C3%BCcher.example'", "is written in its xn-- form here"),
        (
            "require('fs').readFileSync('/etc/passwd')",
            "ENOENT: no such file or directory, open '/etc/passwd'",
        ),
        ("structuredClone(() => 1)", "could not be cloned"),
    ] {
        let report = b.js(&format!("export default async () => {{ {source} }}")).await;
        expect_failure(&report, FailureKind::Script, &[part]);
    }
}

#[tokio::test]
async fn the_event_loop_takes_its_turns_in_order() {
    let b = bench();
    for (name, source, expect) in [
        (
            "microtasks, calls, timers",
            "const o = []; setTimeout(() => o.push('timer'), 0); fetch('https://a.example/json').then(() => o.push('fetch')); queueMicrotask(() => o.push('micro')); Promise.resolve().then(() => o.push('then')); o.push('sync'); setTimeout(() => console.log(JSON.stringify(o)), 50)",
            r#"["sync","micro","then","fetch","timer"]"#,
        ),
        (
            "the first issued wins a race",
            "const get = async (ms) => { await (await fetch('https://a.example/slow/' + ms)).text(); return ms }; console.log(JSON.stringify([await Promise.race([get(60), get(1)]), await Promise.any([get(30), get(1)])]))",
            "[60,30]",
        ),
        (
            "timers by due time, then by age",
            "const o = []; for (const [n, ms] of [['a', 20], ['b', 10], ['c', 10], ['d', 0]]) setTimeout(() => o.push(n), ms); setTimeout(() => console.log(JSON.stringify(o)), 30)",
            r#"["d","b","c","a"]"#,
        ),
        (
            "a time-out of a signal is caught",
            "try { await fetch('https://a.example/slow/3000', { signal: AbortSignal.timeout(30) }) } catch (e) { console.log(JSON.stringify([e.name, e instanceof DOMException])) }",
            r#"["TimeoutError",true]"#,
        ),
        (
            "a controller's abort is caught",
            "const c = new AbortController(); setTimeout(() => c.abort(), 0); try { await fetch('https://a.example/slow/30', { signal: c.signal }); console.log('[\"answered\"]') } catch (e) { console.log(JSON.stringify([e.name])) }",
            r#"["answered"]"#,
        ),
        (
            "calls still open at the end are awaited",
            "fetch('https://a.example/json').then(r => r.json()).then(j => console.log(JSON.stringify([j.price])))",
            r#"["1234.567890"]"#,
        ),
        (
            "exit cannot be caught and cancels what is open",
            "fetch('https://a.example/json').then(() => console.log('[2]')); setTimeout(() => console.log('[3]'), 1); console.log('[1]'); try { process.exit(0) } catch { console.log('[4]') } finally { console.log('[5]') }",
            "[1]",
        ),
        (
            "arguments of a process",
            "console.log(JSON.stringify([process.argv.length, require.main === module, typeof __filename]))",
            r#"[2,true,"string"]"#,
        ),
    ] {
        assert_eq!(value(&b.js(source).await), expect, "{name}");
    }
}

#[tokio::test]
async fn native_hashes_agree_with_the_domain_at_every_block_edge() {
    let b = bench();
    let lengths = [0usize, 1, 55, 56, 63, 64, 65, 119, 120, 135, 136, 137, 271, 272, 300];
    let report = b
        .js(&format!("export default () => {lengths:?}.flatMap(n => [argus.keccak256('a'.repeat(n)), argus.sha256('a'.repeat(n))])"))
        .await;
    let expect: Vec<String> = lengths
        .iter()
        .flat_map(|n| {
            let text = "a".repeat(*n);
            [argus_domain::keccak256(&text).to_string(), format!("0x{}", hex::encode(Sha256::digest(&text)))]
        })
        .collect();
    assert_eq!(value(&report), serde_json::to_string(&expect).expect("json"));
}

#[tokio::test]
async fn recursion_ends_in_a_range_error_at_a_fixed_depth() {
    let b = bench();
    let caught = b.js("let n = 0; function f() { n++; f() } try { f() } catch (e) { console.log(JSON.stringify([e.name, n])) }").await;
    let again = b.js("let n = 0; function f() { n++; f() } try { f() } catch (e) { console.log(JSON.stringify([e.name, n])) }").await;
    assert!(value(&caught).starts_with(r#"["RangeError","#), "{}", value(&caught));
    assert_eq!(value(&caught), value(&again));
    expect_failure(&b.js("function f() { f() } f()").await, FailureKind::Script, &["RangeError", "stack"]);
    let json =
        b.js("try { JSON.parse('['.repeat(1e5)) } catch (e) { console.log(JSON.stringify([e.name])) }").await;
    assert_eq!(value(&json), r#"["RangeError"]"#);
}
