use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn d(text: &str) -> Decimal {
    text.parse().expect(text)
}

#[test]
fn operators_and_their_limits() {
    let check =
        |operator: &str, upper: Option<&str>, lower: Option<&str>, expect: Result<Comparison, &str>| match (
            Comparison::parse(operator, upper.map(d), lower.map(d)),
            expect,
        ) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{operator} {upper:?} {lower:?}"),
            (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{operator}: {fault}"),
            (got, _) => panic!("{operator} {upper:?} {lower:?}: {got:?}"),
        };
    check("greater_than", Some("5"), Some("3"), Ok(Comparison::GreaterThan(d("5"))));
    check("greater_than", Some("0"), Some("3"), Ok(Comparison::GreaterThan(d("3"))));
    check("greater_than", None, Some("3"), Ok(Comparison::GreaterThan(d("3"))));
    check("less_than", Some("0"), None, Ok(Comparison::LessThan(d("0"))));
    check("less_than", Some("0.0"), Some("0"), Ok(Comparison::LessThan(d("0"))));
    check("less_than", Some("-7.5"), Some("1"), Ok(Comparison::LessThan(d("-7.5"))));
    check("equals", Some("1"), None, Ok(Comparison::Equals(d("1"))));
    check("not_equals", Some("1"), None, Ok(Comparison::NotEquals(d("1"))));
    check("greater_equal", Some("1"), None, Ok(Comparison::GreaterEqual(d("1"))));
    check("less_equal", Some("1"), None, Ok(Comparison::LessEqual(d("1"))));
    check("between", Some("0"), Some("-1"), Ok(Comparison::Between(d("-1"), d("0"))));
    check("between", Some("1"), Some("1"), Ok(Comparison::Between(d("1"), d("1"))));
    check("between", Some("1"), Some("2"), Err("above"));
    check("between", Some("1"), None, Err("missing"));
    check("greater_than", None, None, Err("missing"));
    check("more", Some("1"), None, Err("unknown condition_type"));
}

#[test]
fn comparisons_are_exact() {
    let check = |comparison: Comparison, value: &str, holds: bool| {
        assert_eq!(comparison.holds(&d(value)), holds, "{comparison:?} {value}");
    };
    check(Comparison::GreaterThan(d("0.3")), "0.30000000000000000001", true);
    check(Comparison::GreaterThan(d("0.3")), "0.3", false);
    check(Comparison::Equals(d("0.3")), "0.30", true);
    check(Comparison::NotEquals(d("0.3")), "0.30", false);
    check(Comparison::Between(d("1"), d("2")), "1", true);
    check(Comparison::Between(d("1"), d("2")), "2.0", true);
    check(Comparison::Between(d("1"), d("2")), "2.0000001", false);
    check(Comparison::LessEqual(d("-1")), "-1", true);
    check(Comparison::LessThan(d("-1")), "-1", false);
    check(
        Comparison::GreaterEqual(d(
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
        )),
        "115792089237316195423570985008687907853269984665640564039457584007913129639934",
        false,
    );
}

#[test]
fn routes_and_what_they_lead_to() {
    let check = |json: &str, route: &str, expect: Result<&str, &str>| {
        let value: Value = serde_json::from_str(json).expect(json);
        let route = KeyRoute::parse(route).expect(route);
        match (extract(&value, route.as_ref()), expect) {
            (Ok(got), Ok(want)) => assert_eq!(got, d(want), "{json} {route:?}"),
            (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{json} {route:?}: {fault}"),
            (got, _) => panic!("{json} {route:?}: {got:?}"),
        }
    };
    check(r#"{"ethereum":{"usd":1821.37}}"#, "ethereum.usd", Ok("1821.37"));
    check(r#"{"data":[{"p":"1"},{"p":"2"}]}"#, "data.1.p", Ok("2"));
    check(r#"{"data":{"1":5}}"#, "data.1", Ok("5"));
    check(r#"{"a.b":{"c":5}}"#, r"a\.b.c", Ok("5"));
    check(r#"{"a\\b":5}"#, r"a\\b", Ok("5"));
    check(r#"{"a":0.1000000000000000000001}"#, "a", Ok("0.1000000000000000000001"));
    check(r#"{"a":1,"price":7}"#, "b", Err("step 1"));
    check(r#"{"a":[1]}"#, "a.1", Err("step 2"));
    check(r#"{"a":[1]}"#, "a", Err("an array"));
    check(r#"{"a":null}"#, "a", Err("null"));
    check(r#"{"a":"$5"}"#, "a", Err("not a decimal"));
    check(r#"{"a":"NaN"}"#, "a", Err("not a decimal"));
    check(r#"{"a":true}"#, "a", Err("a boolean"));
    check(r#"{"a":1e999999999}"#, "a", Err("digits"));
    check(r#"{"rate":2,"price":1}"#, "", Ok("1"));
    check(r#"{"value":0,"price":1}"#, "", Ok("0"));
    check(r#"{"result":{"x":1},"data":"4.5"}"#, "", Ok("4.5"));
    check(r#"{"other":1}"#, "", Err("selected_key_route"));
    check("42.5", "", Ok("42.5"));
    check(r#""42.5""#, "", Ok("42.5"));
    check("[1]", "", Err("an array"));
    check("null", "", Err("null"));
}

#[test]
fn refused_routes_and_sources() {
    for text in ["a..b", ".a", "a.", "a\\", r"a\b", &"a.".repeat(40), &"a".repeat(2000)] {
        assert!(KeyRoute::parse(text).is_err(), "{text}");
    }
    assert_eq!(KeyRoute::parse("  "), Ok(None));
    assert!(ValueSource::parse("static", "12.5", "").is_ok());
    assert!(ValueSource::parse("static", "x", "").is_err());
    assert!(ValueSource::parse("file", "x", "").is_err());
    assert_eq!(ValueSource::parse("oracle", " http://x ", "").map(|s| s.url), Ok("http://x".to_owned()));
}

proptest! {
    #[test]
    fn any_route_is_read_or_refused(text in "\\PC{0,40}", dotted in "[a-c.\\\\0-9]{0,20}") {
        for text in [text, dotted] {
            if let Ok(Some(route)) = KeyRoute::parse(&text) {
                // Written with its escapes it is the same route.
                let again: Vec<String> =
                    route.steps.iter().map(|s| s.replace('\\', r"\\").replace('.', r"\.")).collect();
                let again = again.join(".");
                if again.trim() == again {
                    prop_assert_eq!(KeyRoute::parse(&again), Ok(Some(route)));
                }
            }
        }
    }
}

#[test]
fn a_log_has_of_a_source_what_is_no_secret() {
    for (url, host) in [
        ("https://user:key@a.example:8443/v1/price?apikey=secret", "a.example:8443"),
        ("https://a.example?key=secret", "a.example"),
        ("wss://a.example#secret", "a.example"),
    ] {
        assert_eq!(ValueSource::parse("api", url, "").expect(url).host(), host);
    }
    assert_eq!(ValueSource::parse("static", "1.5", "").expect("a number").host(), "");
}
