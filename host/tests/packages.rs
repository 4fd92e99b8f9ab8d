//! The counterparts of npm packages: what they compute is what the packages compute, what they read is pinned, and
//! what they lack says so.

mod common;

use argus_domain::{limits::Limits, module::Language, run::FailureKind};
use common::{bench, expect_failure, value};
use serde_json::Value;

/// Each script ran in Node with the real packages too: see `scripts/packages/README.md`.
#[tokio::test]
async fn results_are_those_of_the_packages() {
    let b = bench();
    for (name, source, expected) in [
        (
            "ethers",
            include_str!("scripts/packages/ethers.js"),
            include_str!("scripts/packages/expected/ethers.json"),
        ),
        (
            "ethers 5",
            include_str!("scripts/packages/ethers-v5.js"),
            include_str!("scripts/packages/expected/ethers-v5.json"),
        ),
        (
            "axios",
            include_str!("scripts/packages/axios.js"),
            include_str!("scripts/packages/expected/axios.json"),
        ),
        (
            "locale",
            include_str!("scripts/packages/locale.js"),
            include_str!("scripts/packages/expected/locale.json"),
        ),
        (
            "hashes",
            include_str!("scripts/packages/hashes.js"),
            include_str!("scripts/packages/expected/hashes.json"),
        ),
        ("URL", include_str!("scripts/packages/url.js"), include_str!("scripts/packages/expected/url.json")),
        (
            "fetch",
            include_str!("scripts/packages/fetch.js"),
            include_str!("scripts/packages/expected/fetch.json"),
        ),
        (
            "util.types",
            include_str!("scripts/packages/types.js"),
            include_str!("scripts/packages/expected/types.json"),
        ),
    ] {
        // More than six hundred cases at once.
        let limits = Limits { fuel_max: 2_000_000_000, ..Limits::DEFAULT };
        let report = b.run_with(source.as_bytes(), Language::JavaScript, limits).await.expect(name);
        let ours: Value = serde_json::from_str(&value(&report)).expect(name);
        let theirs: Value = serde_json::from_str(expected).expect(name);
        let cases = theirs.as_object().expect("an object");
        for (case, expected) in cases {
            assert_eq!(&ours[case], expected, "{name}: {case}");
        }
        assert_eq!(ours.as_object().expect("an object").len(), cases.len(), "{name}");
    }
}

#[tokio::test]
async fn they_are_found_in_every_spelling() {
    let b = bench();
    for source in [
        "import { ethers } from 'ethers'; console.log(`[${ethers.parseUnits('1', 2)}]`)",
        "import { parseUnits, AbiCoder } from 'ethers'; console.log(`[${AbiCoder && parseUnits('1', 2)}]`)",
        "import * as ethers from 'ethers'; console.log(`[${ethers.parseUnits('1', 2)}]`)",
        "import ethers from 'ethers'; console.log(`[${ethers.parseUnits('1', 2)}]`)",
        "const { ethers } = require('ethers'); console.log(`[${ethers.parseUnits('1', 2)}]`)",
        "const ethers = require('ethers'); console.log(`[${ethers.utils.parseUnits('1', 2)}]`)",
        "const { parseUnits } = require('ethers/lib/utils'); console.log(`[${parseUnits('1', 2)}]`)",
        "const { ethers } = await import('ethers'); console.log(`[${ethers.parseUnits('1', 2)}]`)",
    ] {
        assert_eq!(value(&b.js(source).await), "[100]", "{source}");
    }
    for source in [
        "import axios from 'axios'; const r = await axios.get('https://a.example/n/204'); console.log(`[${r.status}]`)",
        "import { get } from 'axios'; const r = await get('https://a.example/n/204'); console.log(`[${r.status}]`)",
        "const axios = require('axios'); axios('https://a.example/n/204').then(r => console.log(`[${r.status}]`))",
        "const axios = require('axios').default; axios({ url: 'https://a.example/n/204' }).then(r => console.log(`[${r.status}]`))",
        "import fetch from 'node-fetch'; const r = await fetch('https://a.example/n/204'); console.log(`[${r.status}]`)",
        "const fetch = require('node-fetch'); fetch('https://a.example/n/204').then(r => console.log(`[${r.status}]`))",
        "import { Headers, Response } from 'node-fetch'; console.log(`[${new Response(null, { status: 204, headers: new Headers() }).status}]`)",
    ] {
        assert_eq!(value(&b.js(source).await), "[204]", "{source}");
    }
}

#[tokio::test]
async fn axios_sends_receives_and_fails_as_scripts_expect() {
    let b = bench();
    for (name, source, expect) in [
        ("data", "return (await axios.get('https://a.example/json')).data.items", "[1,2,3]"),
        (
            "text",
            "return [(await axios.get('https://a.example/json', { responseType: 'text' })).data.length]",
            "[39]",
        ),
        (
            "bytes",
            "const { data } = await axios.get('https://a.example/json', { responseType: 'arraybuffer' }); return [Buffer.isBuffer(data), data.toString().slice(0, 8)]",
            r#"[true,"{\"price\""]"#,
        ),
        (
            "headers",
            "const { headers, statusText, config } = await axios.get('https://a.example/json'); return [headers['content-type'], headers.get('Content-Type'), statusText, config.method]",
            r#"["application/json","application/json","OK","get"]"#,
        ),
        (
            "post",
            "return (await axios.post('https://a.example/echo', { a: 1 }, { headers: { 'X-Key': 'k' } })).data",
            r#"{"method":"Post","headers":["accept=application/json, text/plain, */*","content-type=application/json","x-key=k"],"body":"{\"a\":1}"}"#,
        ),
        (
            "form",
            "const { body, headers } = (await axios.put('https://a.example/echo', new URLSearchParams({ a: 'b c' }))).data; return [body, headers[1]]",
            r#"["a=b+c","content-type=application/x-www-form-urlencoded;charset=utf-8"]"#,
        ),
        (
            "auth",
            "return (await axios.get('https://a.example/echo', { auth: { username: 'u', password: 'p' } })).data.headers.filter(h => h.startsWith('authorization'))",
            r#"["authorization=Basic dTpw"]"#,
        ),
        (
            "status",
            "try { await axios.get('https://a.example/n/404') } catch (e) { return [axios.isAxiosError(e), e.message, e.code, e.response.status, e.status, e.name, e instanceof Error] }",
            r#"[true,"Request failed with status code 404","ERR_BAD_REQUEST",404,404,"AxiosError",true]"#,
        ),
        (
            "server error",
            "try { await axios.get('https://a.example/n/503') } catch (e) { return [e.code, e.response.status] }",
            r#"["ERR_BAD_RESPONSE",503]"#,
        ),
        (
            "validateStatus",
            "return [(await axios.get('https://a.example/n/404', { validateStatus: s => s < 500 })).status]",
            "[404]",
        ),
        (
            "transport",
            "try { await axios.get('https://a.example/fail') } catch (e) { return [axios.isAxiosError(e), e.code, e.message.includes('connection refused'), e.response ?? null] }",
            r#"[true,"ERR_NETWORK",true,null]"#,
        ),
        (
            "timeout",
            "try { await axios.get('https://a.example/slow/2000', { timeout: 20 }) } catch (e) { return [e.code, e.message] }",
            r#"["ECONNABORTED","timeout of 20ms exceeded"]"#,
        ),
        (
            "create",
            "const api = axios.create({ baseURL: 'https://a.example', headers: { 'X-Key': 'k' } }); return (await api.get('/echo')).data.headers",
            r#"["accept=application/json, text/plain, */*","x-key=k"]"#,
        ),
        (
            "interceptors",
            "const api = axios.create(); api.interceptors.request.use(c => ({ ...c, url: c.url + '/204' })); api.interceptors.response.use(r => r.status); return [await api.get('https://a.example/n')]",
            "[204]",
        ),
        (
            "request",
            "return [(await axios.request({ method: 'HEAD', url: 'https://a.example/n/200' })).status]",
            "[200]",
        ),
        (
            "redirect",
            "return [(await axios.get('https://a.example/redirect/1', { maxRedirects: 0, validateStatus: null })).status]",
            "[302]",
        ),
    ] {
        let report = b
            .js(&format!("const axios = require('axios'); module.exports = async () => {{ {source} }}"))
            .await;
        assert_eq!(value(&report), expect, "{name}");
    }
}

/// The stub chain gives a call's data back as what it returns.
#[tokio::test]
async fn ethers_reads_chains_at_their_pinned_block() {
    let b = bench();
    for (name, source, expect) in [
        (
            "provider",
            "const p = new ethers.JsonRpcProvider('https://node.example'); return [await p.getBlockNumber(), (await p.getNetwork()).chainId, await p.getBalance(ethers.ZeroAddress), await p.call({ to: ethers.ZeroAddress, data: '0x1234' })]",
            r#"[100,1,115792089237316195423570985008687907853269984665640564039457584007913129639935,"0x1234"]"#,
        ),
        (
            "JSON-RPC",
            "const p = new ethers.JsonRpcProvider('https://node.example', 1); return [await p.send('eth_blockNumber', []), await p.send('eth_call', [{ to: ethers.ZeroAddress, data: '0x12' }, 'latest'])]",
            r#"["0x64","0x12"]"#,
        ),
        (
            // 4 bytes of selector and 32 of argument are no result: so the view call's own data is made one.
            "contract",
            "const c = new ethers.Contract(ethers.ZeroAddress, ['function f(bytes28 rest) view returns (uint32)'], { call: async (tx) => '0x' + tx.data.slice(2, 10).padStart(64, '0') }); return [ethers.toBeHex(await c.f('0x' + '00'.repeat(28))), c.interface.getFunction('f').selector]",
            r#"["0x913fd103","0x913fd103"]"#,
        ),
        (
            "legacy",
            "const p = new ethers.providers.JsonRpcProvider('https://node.example'); return [(await p.getBalance(ethers.constants.AddressZero)).add(1).toString().length, (await p.getNetwork()).chainId]",
            "[78,1]",
        ),
        (
            "revert",
            "try { await new ethers.JsonRpcProvider('x').call({ to: '0xdededededededededededededededededededede' }) } catch (e) { return [e.code, e.data] }",
            r#"["CALL_EXCEPTION","0x0102"]"#,
        ),
        ("logs", "return await new ethers.JsonRpcProvider('x').getLogs({ fromBlock: -50 })", "[]"),
    ] {
        let source =
            format!("const {{ ethers }} = require('ethers'); module.exports = async () => {{ {source} }}");
        assert_eq!(value(&b.js(&source).await), expect, "{name}");
    }
}

#[tokio::test]
async fn what_they_lack_is_named() {
    let b = bench();
    for (source, part) in [
        ("new ethers.Wallet('0x1')", "ethers.Wallet is not available in a script: a script holds no key"),
        ("ethers.somethingNew()", "ethers.somethingNew is not available in a script"),
        ("ethers.utils.joinSignature({})", "ethers.utils.joinSignature is not available in a script"),
        (
            "new ethers.providers.WebSocketProvider('x')",
            "ethers.providers.WebSocketProvider is not available",
        ),
        (
            "axios.postForm('https://a.example/', {})",
            "axios.postForm is not available in a script: send URLSearchParams",
        ),
        (
            "await axios.get('https://a.example/', { httpsAgent: {} })",
            "the option httpsAgent is not available in a script",
        ),
        (
            "await axios.get('https://a.example/', { responseType: 'stream' })",
            "responseType \"stream\" is not available",
        ),
        (
            "await new ethers.JsonRpcProvider('x').getBlock('latest')",
            "provider.getBlock is not available in a script",
        ),
        (
            "await new ethers.JsonRpcProvider('x').send('eth_gasPrice', [])",
            "eth_gasPrice is not available in a script",
        ),
        (
            "await new ethers.JsonRpcProvider('x').call({ to: ethers.ZeroAddress, blockTag: 5 })",
            "reads are at the pinned block 100",
        ),
        (
            "await new ethers.JsonRpcProvider('x').call({ to: ethers.ZeroAddress, from: ethers.ZeroAddress })",
            "`from` of a call is not available",
        ),
        (
            "await new ethers.JsonRpcProvider('x', 10).getBlockNumber()",
            "chain 10 has no pinned block in this run",
        ),
        (
            "await new ethers.Contract(ethers.ZeroAddress, ['function t(uint256 a)'], new ethers.JsonRpcProvider('x')).t(1)",
            "contract.t is not available in a script: it would send a transaction",
        ),
        ("require('web3')", "Cannot find module 'web3': a script is one file; use ethers"),
    ] {
        let source = format!(
            "const {{ ethers }} = require('ethers'), axios = require('axios'); module.exports = async () => {{ {source} }}"
        );
        expect_failure(&b.js(&source).await, FailureKind::Script, &[part]);
    }
    let missing = b.js("import { Nothing } from 'ethers'; Nothing()").await;
    expect_failure(&missing, FailureKind::Script, &["SyntaxError", "'Nothing'", "'ethers'"]);
    let listed = b.js("import { Wallet } from 'ethers'; new Wallet()").await;
    expect_failure(&listed, FailureKind::Script, &["ethers.Wallet is not available in a script"]);
    let left_out = "const { Interface } = require('ethers'); console.log(JSON.stringify(new Interface(['function foo(', 'function ok()']).format()))";
    let report = b.js(left_out).await;
    assert_eq!(value(&report), r#"["function ok()"]"#);
    assert!(report.log.contains("Invalid Fragment \"function foo(\""), "{}", report.log);
}
