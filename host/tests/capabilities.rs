//! What a script may reach, and what it sees of it.

mod common;

use argus_domain::{limits::Limits, run::FailureKind};
use argus_ports::Method;
use common::{bench, expect_failure, value};

#[tokio::test]
async fn fetch_gives_status_headers_and_bodies() {
    let b = bench();
    for (name, source, expect) in [
        (
            "json",
            "const r = await fetch('https://a.example/json'); return [r.status, r.ok, (await r.json()).items, r.headers.get('content-type'), r.headers.get('set-cookie'), r.url]",
            r#"[200,true,[1,2,3],"application/json",null,"https://a.example/json"]"#,
        ),
        (
            "URL object",
            "const r = await fetch(new URL('https://a.example/n/204')); return [r.status, r.statusText, (await r.text()).length]",
            r#"[204,"No Content",0]"#,
        ),
        (
            "404",
            "const r = await fetch('https://a.example/x'); return [r.ok, await r.text()]",
            r#"[false,"nothing here"]"#,
        ),
        (
            "post",
            "const r = await fetch('https://a.example/echo', {method: 'POST', headers: {'X-A': '1'}, body: JSON.stringify({q: 1})}); const e = await r.json(); return [e.method, e.headers, e.body]",
            r#"["Post",["content-type=text/plain;charset=UTF-8","x-a=1"],"{\"q\":1}"]"#,
        ),
        (
            "Request",
            "const r = await fetch(new Request('https://a.example/echo', {method: 'PUT', body: new URLSearchParams({a: 'b'})})); const e = await r.json(); return [e.method, e.body]",
            r#"["Put","a=b"]"#,
        ),
        (
            "bytes",
            "const r = await fetch('https://a.example/big/3'); return [[...new Uint8Array(await r.arrayBuffer())]]",
            "[[120,120,120]]",
        ),
        (
            "read once",
            "const r = await fetch('https://a.example/json'); const c = r.clone(); await r.text(); try { await r.text() } catch (e) { return [e.name, (await c.text()).length > 0] }",
            r#"["TypeError",true]"#,
        ),
        (
            "denied",
            "try { await fetch('https://a.example/denied') } catch (e) { return [e.name, e.message] }",
            r#"["TypeError","fetch failed: not allowed: the address 10.0.0.1 is private"]"#,
        ),
        (
            "transport",
            "try { await fetch('https://a.example/fail') } catch (e) { return [e.message, e.cause.message] }",
            r#"["fetch failed: connection refused","connection refused"]"#,
        ),
        ("bad url", "try { await fetch('nonsense') } catch (e) { return [e.name] }", r#"["TypeError"]"#),
        (
            "redirect",
            "const r = await fetch('https://a.example/redirect/2'); return [r.status, r.redirected, r.url]",
            r#"[200,true,"https://a.example/json"]"#,
        ),
        (
            "manual",
            "const r = await fetch('https://a.example/redirect/1', {redirect: 'manual'}); return [r.status, r.headers.get('location')]",
            r#"[302,"/json"]"#,
        ),
        (
            "timeout",
            "try { await fetch('https://a.example/slow/3000', {signal: AbortSignal.timeout(30)}) } catch (e) { return [e.name] }",
            r#"["TimeoutError"]"#,
        ),
        (
            "aborted",
            "try { await fetch('https://a.example/json', {signal: AbortSignal.abort()}) } catch (e) { return [e.name] }",
            r#"["AbortError"]"#,
        ),
        (
            "race",
            "return [await Promise.race([fetch('https://a.example/slow/60'), fetch('https://a.example/slow/1')].map(async p => (await p).text()))]",
            r#"["60"]"#,
        ),
    ] {
        let report = b.js(&format!("export default async () => {{ {source} }}")).await;
        assert_eq!(value(&report), expect, "{name}");
    }
}

#[tokio::test]
async fn concurrent_fetches_are_out_together_and_land_in_order() {
    let b = bench();
    let started = std::time::Instant::now();
    let report = b
        .js("const order = []; const t = Date.now();
             await Promise.all([300, 100, 200].map(async ms => { const r = await fetch(`https://a.example/slow/${ms}`); order.push(await r.text()) }));
             console.log(JSON.stringify(order)); console.error(Date.now() - t)")
        .await;
    assert_eq!(value(&report), r#"["300","100","200"]"#);
    assert_eq!(b.stub.in_flight.lock().expect("lock").1, 3);
    assert!(started.elapsed().as_millis() < 5_000);
    let clock: u64 = report.log.trim().parse().expect("number");
    assert!((300..600).contains(&clock), "the clock moved {clock} ms");
    let calls: Vec<_> = report.transcript.calls.iter().map(|c| c.sequence).collect();
    assert_eq!(calls, [0, 1, 2]);
}

#[tokio::test]
async fn a_redirect_is_a_call_and_credentials_stay_at_home() {
    let b = bench();
    let report = b.js("await fetch('https://a.example/redirect/1', {method: 'POST', body: 'x', headers: {authorization: 'k'}}); console.log('[]')").await;
    assert_eq!(value(&report), "[]");
    assert_eq!(report.host_calls, 2);
    let seen = b.stub.seen.lock().expect("lock").clone();
    assert_eq!((seen[0].method, seen[1].method), (Method::Post, Method::Get));
    assert!(seen[1].body.is_none());
    assert!(seen[1].headers.iter().any(|(name, _)| name == "authorization"), "the same origin keeps it");
}

#[tokio::test]
async fn chain_reads_are_pinned() {
    let b = bench();
    let report = b
        .js("const n = await argus.evm.blockNumber(1);
             const data = await argus.evm.call({chainId: 1, to: '0x' + '11'.repeat(20), data: '0xabcd'});
             const wei = await argus.evm.balance(1, '0x' + '22'.repeat(20));
             const logs = await argus.evm.logs({chainId: 1, fromBlock: 50, toBlock: 1000});
             let reverted; try { await argus.evm.call({chainId: 1, to: '0x' + 'de'.repeat(20)}) } catch (e) { reverted = [e.kind, e.data] }
             let other; try { await argus.evm.blockNumber(5) } catch (e) { other = [e.kind, e.message.includes('no pinned block')] }
             console.log(JSON.stringify([n, data, wei === 2n ** 256n - 1n, logs, reverted, other]))")
        .await;
    assert_eq!(value(&report), r#"[100,"0xabcd",true,[],["reverted","0x0102"],["denied",true]]"#);
    assert_eq!(report.host_calls, 6);
}

#[tokio::test]
async fn what_is_not_granted_says_so() {
    let b = bench();
    for source in ["argus.secret('KEY')", "argus.storage.get('a')", "argus.storage.set('a', 'b')"] {
        let report =
            b.js(&format!("try {{ {source} }} catch (e) {{ console.log(JSON.stringify([e.kind])) }}")).await;
        assert_eq!(value(&report), r#"["denied"]"#, "{source}");
    }
    expect_failure(
        &b.js("fetch('https://a.example/fail')").await,
        FailureKind::Script,
        &["TypeError: fetch failed: connection refused"],
    );
}

#[tokio::test]
async fn a_plain_address_is_asked_for_as_a_request_of_it_is() {
    let hosts = [
        "a.example",
        "x-1.b2.c",
        "a.1b",
        "a.b:80",
        "a.b:443",
        "a.b:8443",
        "a.b:0",
        "a..b",
        "a.",
        "A.b",
        "u@a.b",
    ];
    let paths = [
        "",
        "/",
        "/p;q=1,2(3)!$&+*:@",
        "/a/./b",
        "/a/../b",
        "/a.",
        "/a|b[c]^~",
        "/a%20b",
        "/a b",
        "/a'b",
        "/{a}",
    ];
    let queries = ["", "?", "?a=1&b=%41", "?a='b'", "?a/../b", "?[a]^`{|}~", "?<a>", "#h"];
    let all = hosts.iter().map(|host| format!("https://{host}/p"));
    let all = all.chain(paths.iter().map(|path| format!("http://a.example{path}")));
    let all: Vec<_> = all.chain(queries.iter().map(|query| format!("https://a.example/p{query}"))).collect();
    let bench = bench();
    let mut asked = 0;
    for some in all.chunks(Limits::DEFAULT.http_calls as usize) {
        let mut requests = Vec::new();
        for init in ["", ", {}"] {
            let urls = serde_json::to_string(some).expect("JSON");
            let source =
                format!("for (const u of {urls}) await fetch(u{init}).catch(() => 0); console.log('[1]')");
            let report = bench.js(&source).await;
            assert_eq!(value(&report), "[1]", "{some:?}");
            requests.push(report.transcript.calls.into_iter().map(|call| call.request).collect::<Vec<_>>());
        }
        assert_eq!(requests[0], requests[1]);
        asked += requests[0].len();
    }
    assert!(asked > all.len() / 2, "{asked}");
}
