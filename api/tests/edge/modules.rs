//! Scripts, published and tried.

use serde_json::json;

use crate::world::{SAFE, World};

#[tokio::test]
async fn a_script_is_published_shown_and_run() {
    let world = World::new().await;
    let body = json!({"source": "print [\"7\"]", "language": "ts"}).to_string();
    let made = world.call("user", "POST", "/api/modules", &body).await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    let cid = made.json()["cid"].as_str().unwrap().to_owned();
    let shown = world.get("other", &format!("/api/modules/{cid}")).await;
    assert_eq!((shown.status.as_u16(), &shown.json()["language"]), (200, &json!("ts")));
    assert!(!shown.text.to_lowercase().contains("0x1111"), "the publisher is not shown");
    let ran = world.call("other", "POST", &format!("/api/modules/{cid}/run"), "").await.json();
    assert_eq!(
        (&ran["ok"], &ran["arguments"], &ran["fuel"]),
        (&json!(true), &json!(["7"]), &json!(1_234_567))
    );
    for cid in ["bafkreiabsent", "nothing", cid.get(..20).unwrap()] {
        assert_eq!(world.get("user", &format!("/api/modules/{cid}")).await.status.as_u16(), 404, "{cid}");
        assert_eq!(
            world.call("user", "POST", &format!("/api/modules/{cid}/run"), "{}").await.status.as_u16(),
            404
        );
    }
}

/// A run by hand says of a value that no job can use what a job would say.
#[tokio::test]
async fn what_no_job_can_use_is_no_success() {
    let world = World::new().await;
    for (script, part) in [("print 7", "not a number"), (r#"print {"price":7}"#, "shouldExecute: missing")] {
        let body = json!({"source": script, "language": "ts"}).to_string();
        let cid = world.call("user", "POST", "/api/modules", &body).await.json()["cid"]
            .as_str()
            .unwrap()
            .to_owned();
        let ran = world.call("user", "POST", &format!("/api/modules/{cid}/run"), "").await.json();
        assert_eq!(
            (&ran["ok"], &ran["arguments"], &ran["failure"]),
            (&json!(false), &json!(null), &json!("script"))
        );
        let said = ran["error"].as_str().unwrap();
        assert!(
            said.starts_with("the script must print one JSON array of arguments") && said.contains(part),
            "{said}"
        );
    }
}

/// The limits of a publishing are those of the module's check.
#[tokio::test]
async fn a_module_is_published_under_the_limits_that_are_asked_for() {
    let world = World::new().await;
    let body = |limits: serde_json::Value| {
        json!({"source": "print [1]", "language": "ts", "limits": limits}).to_string()
    };
    let made = world.call("user", "POST", "/api/modules", &body(json!({"command_bytes": 20 << 20}))).await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    assert_eq!(world.runner.admitted.lock().unwrap().command_bytes, 20 << 20);
    let refused = world.call("user", "POST", "/api/modules", &body(json!({"command_bytes": 65 << 20}))).await;
    assert_eq!(refused.status.as_u16(), 422, "{}", refused.text);
    assert!(refused.text.contains("command_bytes is a whole number from 1 to 67108864"), "{}", refused.text);
}

#[tokio::test]
async fn a_published_script_gives_its_source_to_who_asks_for_it() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let world = World::new().await;
    // The runner here takes whatever begins with its word; this is no text.
    let wasm = STANDARD.encode(b"print \xff");
    for (body, name, text) in [
        (json!({"source": "print [\"ä\"]", "language": "ts"}), "source", "print [\"ä\"]"),
        (json!({"wasm_base64": wasm}), "wasm_base64", wasm.as_str()),
    ] {
        let made = world.call("user", "POST", "/api/modules", &body.to_string()).await;
        assert_eq!(made.status.as_u16(), 200, "{}", made.text);
        let path = format!("/api/modules/{}", made.json()["cid"].as_str().unwrap());
        let shown = world.get("other", &format!("{path}?source=true")).await.json();
        assert_eq!((&shown[name], &shown["cid"]), (&json!(text), &made.json()["cid"]), "{shown}");
        for quiet in [path.clone(), format!("{path}?source=false"), format!("{path}?sauce=true")] {
            let shown = world.get("other", &quiet).await.json();
            assert!(shown.get("source").is_none() && shown.get("wasm_base64").is_none(), "{quiet}: {shown}");
        }
        let unclear = world.get("other", &format!("{path}?source=maybe")).await;
        assert_eq!((unclear.status.as_u16(), unclear.code().as_str()), (422, "VALIDATION_FAILED"));
        assert_eq!(world.get("", &format!("{path}?source=true")).await.status.as_u16(), 401);
    }
}

#[tokio::test]
async fn what_is_no_script_is_refused_with_reasons() {
    let world = World::new().await;
    for (body, code) in [
        (json!({"source": "nonsense", "language": "ts"}), "SCRIPT_REFUSED"),
        (json!({"source": "print 1", "language": "cobol"}), "LANGUAGE"),
        (json!({"source": "", "language": "ts"}), "INVALID_MODULE"),
        (json!({"language": "ts"}), "INVALID_MODULE"),
        (json!({"source": "print 1", "wasm_base64": "AA=="}), "INVALID_MODULE"),
        (json!({"wasm_base64": "???"}), "INVALID_BASE64"),
    ] {
        let answer = world.call("user", "POST", "/api/modules", &body.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, code), "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn code_is_tried_without_being_published() {
    let world = World::new().await;
    let with = |code: String, safe: bool, kind: u8| {
        json!({"code": code, "language": "ts", "task_definition_id": kind, "is_safe": safe,
               "selected_safe": if safe { SAFE } else { "" }, "target_function": "incrementBy"})
        .to_string()
    };
    for (body, executable, safe_match, has_error) in [
        (with("print [\"7\"]".to_owned(), false, 2), true, true, false),
        (with(format!("print [\"{SAFE}\"]"), true, 2), true, true, false),
        (with("print [\"7\"]".to_owned(), true, 2), true, false, true),
        (with("fail no".to_owned(), false, 2), false, true, true),
        (with("nonsense".to_owned(), false, 2), false, true, true),
        (with("print [1]".to_owned(), false, 7), true, true, true),
        (with("print {\"shouldExecute\":false}".to_owned(), false, 7), true, true, false),
    ] {
        let answer = world.call("user", "POST", "/api/code/validate", &body).await;
        assert_eq!(answer.status.as_u16(), 200, "{body}: {}", answer.text);
        let found = answer.json();
        assert_eq!(found["executable"], json!(executable), "{body}: {found}");
        assert_eq!(found["safe_match"], json!(safe_match), "{body}: {found}");
        assert_eq!(found.get("error").is_some(), has_error, "{body}: {found}");
        assert!(found["output"].is_string());
        assert!(found["log"].is_string() && found.get("line").is_some() == has_error, "{body}: {found}");
    }
    let empty = world.call("user", "POST", "/api/code/validate", "{}").await;
    assert_eq!(empty.status.as_u16(), 422);
}
