// URLs: how they are read, and what each setter makes of them. Not here: host names outside ASCII, which scripts write in
// their xn-- form, and what Node 20 does otherwise than the standard says (a port that
// does not begin with a digit, a port beside a host where there was none, the path ".." behind no special scheme).
const { URL } = globalThis;
const parts = (u) => [u.href, u.origin, u.username, u.password, u.host, u.port, u.pathname, u.search, u.hash, u.searchParams.toString()].join(" | ");
const attempt = (f) => { try { return f(); } catch (e) { return e.name; } };

const read = [
  ["https://api.example.com"], ["HTTPS://API.Example.com:443/"], ["http://h.example:80?x"], ["https:h.example/a"], ["https:///h.example"], ["\thttps://h.example/\n a "], ["https://h.example/a/./b/../c/%2e%2E/d"],
  ["https://h.example/a\\b?c\\d#e\\f"], ["https://u:p@h.example"], ["https://u:p:q@h.example"], ["https://a@b@h.example"], ["https://@h.example"], ["https://u@"], ["https://h.example:"], ["https://h.example:0080"], ["https://h.example:65536"], ["https://h.example:8x"],
  ["https://h.example?"], ["https://h.example#"], ["https://h.example?#"], ["https://h.example/?a=b#c?d#e"], ["https://h.example/ü?ü='x'#ü"], ["https://h.example/\"<>`{}|^?\"<>`{}|^#\"<>`{}|^"], ["https://h.example/%zz%41?%zz%41"],
  ["https://1.2.3"], ["https://0x7f.1"], ["https://256.1.1.1"], ["https://1.2.3.4.5"], ["https://[::1]:8080/"], ["https://[1:0:0:2::]"], ["https://[::1"], ["https://[::ffff:1.2.3.4]"], ["https://h%41.example"], ["https://h%2f.example"], ["https://a_b.example"], ["https://h.example."], ["https://a{b}.example"], ["https://a|b"], ["https://a b"],
  ["https://"], ["x"], [""], ["//h.example"], ["mailto:a@b.example"], ["mailto:a b?c d"], ["foo:/a/../b"], ["foo://H.example:80/a"], ["foo:///a"], ["foo:/..//a"], ["foo://h.example"], ["file:///a/b"], ["file://localhost/a"], ["data:text/plain,a b"], ["ws://h.example:80"], ["ftp://h.example:21/a"],
  ["../x", "https://u@h.example:81/a/b/c?q#h"], ["/x", "https://h.example/a?q"], ["?x", "https://h.example/a?q#h"], ["#x", "https://h.example/a?q#h"], ["", "https://h.example/a?q#h"], ["//o.example/x", "http://h.example"], ["https:x", "https://h.example/a/b"], ["https:/x", "https://h.example/a/b"], ["https:x", "http://h.example/a/b"], ["///x", "https://h.example"], ["\\x", "https://h.example/a/b"],
  ["x", "mailto:a"], ["#x", "mailto:a"], ["x", "foo://h.example"], ["x", "foo:/a/b"], ["..", "https://h.example/a/b/c/"], [".", "https://h.example/a/b/c"], ["x:y", "https://h.example"], ["a", "not a URL"],
];
const set = {
  protocol: [["https://h.example:80/", "http"], ["http://h.example:443/", "https:"], ["https://h.example/", "HTTP:anything"], ["https://h.example/", "foo"], ["https://h.example/", ""], ["https://h.example/", "1x"], ["https://h.example/", "h\ttp"], ["https://u@h.example/", "file"], ["foo://h.example/", "bar"], ["foo://h.example/", "http"], ["file:///a", "http"]],
  username: [["https://h.example/", "me"], ["https://u:p@h.example/", ""], ["https://h.example/", "a:b@c/ü\t"], ["mailto:a", "me"], ["file:///a", "me"]],
  password: [["https://h.example/", "me"], ["https://u:p@h.example/", ""], ["https://u@h.example/", "a:b@c/?#"], ["mailto:a", "me"]],
  host: [["https://h.example:8080/a", "example.com"], ["https://h.example:8080/a", "example.com:81"], ["https://h.example:8080/a", "example.com:443"], ["https://h.example:8080/a", "example.com:"], ["https://h.example:8080/a", "example.com:x"], ["https://h.example:8080/a", "example.com:82x"], ["https://h.example:8080/a", "example.com:65536"],
    ["https://h.example/a", "o.example/x?y#z"], ["https://h.example/a", "o.example\\x"], ["https://h.example/a", ""], ["https://h.example/a", ":81"], ["https://h.example/a", "a b"], ["https://h.example/a", "u@o.example"], ["https://h.example/a", "o\t.example"], ["https://h.example/a", "0x7f.1"], ["https://h.example/a", "256.0.0.1"], ["https://h.example:81/a", "[::1]"], ["https://h.example/a", "[::1]:82"], ["https://h.example/a", "[::1"], ["https://h.example/a", "O.Example"],
    ["mailto:a", "o.example"], ["foo://h.example/a", "o.example"], ["foo://h.example/a", ""], ["foo://u@h.example/a", ""], ["file:///a", "o.example"], ["file:///a", "o.example:80"], ["file:///a", "localhost"]],
  hostname: [["https://h.example:8080/a", "example.com"], ["https://h.example:8080/a", "example.com:81"], ["https://h.example:8080/a", ""], ["https://h.example/a", "o.example/x"], ["https://h.example/a", "[::1]"], ["https://h.example/a", "a#b"], ["mailto:a", "o.example"], ["foo://h.example:80/a", "o.example"]],
  port: [["https://h.example/", "8080"], ["https://h.example:81/", ""], ["https://h.example:81/", "443"], ["https://h.example:81/", "82x"], ["https://h.example:81/", "65536"], ["https://h.example:81/", "0082"], ["https://h.example:81/", " 82"], ["https://h.example:81/", "-1"], ["https://h.example:81/", "8\t2"], ["https://h.example:81/", 83], ["https://h.example:81/", 8.5], ["mailto:a", "80"], ["file:///a", "80"]],
  pathname: [["https://h.example/a?q#h", "/x"], ["https://h.example/a", "x y"], ["https://h.example/a", ""], ["https://h.example/a", "?#"], ["https://h.example/a", "/a/../b/%2e/c"], ["https://h.example/a", "a\\b"], ["https://h.example/a", "//x"], ["https://h.example/a", "a\tb"], ["https://h.example/a", "ü%zz"], ["https://h.example/a", ".."], ["mailto:a", "x"], ["foo://h.example/a", ""], ["foo://h.example/a", "x\\y"]],
  search: [["https://h.example/a?q#h", "x=1"], ["https://h.example/?q", "?x"], ["https://h.example/?q", "??x"], ["https://h.example/?q", ""], ["https://h.example/?q#h", "?"], ["https://h.example/", "a b'#ü"], ["https://h.example/", "a\tb"], ["foo:/a", "'x'"], ["mailto:a", "subject=b c"]],
  hash: [["https://h.example/?q#h", "x"], ["https://h.example/#h", "#x"], ["https://h.example/", "##"], ["https://h.example/#h", ""], ["https://h.example/#h", "#"], ["https://h.example/", "a b`<>\"ü"], ["https://h.example/", "a\nb"], ["mailto:a", "x"]],
  href: [["https://h.example/?q", "http://o.example/?r"], ["https://h.example/", "x"]],
};

const result = {};
for (const [input, base] of read) result[`read ${JSON.stringify([input, base])}`] = attempt(() => parts(new URL(input, base)));
for (const [part, cases] of Object.entries(set)) for (const [url, value] of cases) {
  // The parameters that somebody holds are those of the URL afterwards, too.
  result[`${part} ${JSON.stringify([url, value])}`] = attempt(() => { const u = new URL(url), held = u.searchParams; u[part] = value; return [parts(u), held === u.searchParams, held.toString()].join(" | "); });
}
result.params = (() => { const u = new URL("https://h.example/?a=1&b=2#h"); u.searchParams.delete("a"); const first = u.href; u.searchParams.delete("b"); return [first, u.href, u.search]; })();
console.log(JSON.stringify(result));
