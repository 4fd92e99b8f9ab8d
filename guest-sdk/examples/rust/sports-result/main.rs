//! The result of a game, asked by POST. Before it is final there is nothing to report.

use argus_script::{Arguments, Context, Result, Value, arguments, env, http, json, script, skip};

const RESULTS: &str = "https://api.sports.example/v1/results";

#[script]
fn result(context: Context) -> Result<Arguments> {
    let game = context.arguments.first().and_then(Value::as_str).unwrap_or_default();
    let reply = http::post_json(RESULTS, &json!({ "game": game })).send()?.json()?;
    if reply["status"] != "final" {
        return Err(skip(format!("{game} is {}", reply["status"])));
    }
    let (home, away) = (&reply["home"], &reply["away"]);
    env::log(&format!("{} {} : {} {}", home["name"], home["goals"], away["goals"], away["name"]));
    Ok(arguments![game, home["goals"].clone(), away["goals"].clone()])
}
