//! What the demo suggests to try next. Its lines are commands that run as they stand, which a test does.

use std::path::Path;

/// A script that fits the job in README.md: one argument, a number.
const SCRIPT: &str = "export default () => [42n]";

/// The lines, with the program under the name by which this process was found: it need not be where a shell looks.
pub fn steps(program: &Path) -> String {
    let program = program.display();
    format!(
        "What to try next:\n\n  \
         {program} dev\n      \
         leave it running: it prints keys, addresses and a curl line that makes a job. Then, elsewhere:\n  \
         echo '{SCRIPT}' > answer.ts\n  \
         {program} module run answer.ts\n      \
         run a script in the sandbox, as a keeper would\n  \
         {program} module publish answer.ts --key KEY\n      \
         give it a CID; KEY is what `dev` printed after \"user\"\n\n\
         A job that calls with what this script gives: \"Create a job\" in README.md has its body; put the CID and the\n\
         demo target that `dev` printed in their places."
    )
}

#[cfg(test)]
mod tests {
    use argus_domain::{abi::Function, limits::Limits, module::Language, run::RunEnd};
    use argus_host::parse_context;
    use clap::Parser;
    use serde_json::Value;

    use super::*;
    use crate::{backends, cli::Cli, dev};

    const README: &str = include_str!("../../../README.md");

    #[test]
    fn every_command_is_one() {
        let text = steps(Path::new("./argus"));
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("  ./argus ")).collect();
        assert_eq!(commands.len(), 3, "{text}");
        for command in commands {
            let parsed = Cli::try_parse_from(command.split_whitespace());
            assert!(parsed.is_ok(), "{command}: {:?}", parsed.err());
        }
        assert!(text.lines().any(|line| line == format!("  echo '{SCRIPT}' > answer.ts")), "{text}");
    }

    #[tokio::test]
    async fn its_script_gives_what_the_job_in_the_readme_calls_with() {
        let (_, section) = README.split_once("## Create a job").expect("the section");
        let (_, body) = section.split_once("-d '").expect("a body");
        let (body, _) = body.split_once('\'').expect("its end");
        let job: Value = serde_json::from_str(body).expect("JSON");
        let job = &job[0];
        assert_eq!(job["user_address"], dev::first_user().to_string(), "the one that `argus dev` names");
        assert_eq!((&job["language"], &job["arg_type"]), (&"ts".into(), &2.into()));
        let function =
            Function::parse(job["target_function"].as_str().unwrap_or_default()).expect("a function");

        let runner = backends::local_runner(&[], &[]).await.expect("a runner");
        let input = parse_context(None, Vec::new()).expect("the usual context").into();
        let ran = runner
            .run(SCRIPT.into(), Language::TypeScript, input, Limits::DEFAULT, std::sync::Arc::default())
            .await;
        let ran = ran.expect("it runs");
        let RunEnd::Value(Value::Array(arguments)) = ran.end else { panic!("{:?}", ran.end) };
        argus_domain::abi::encode_call(&function, &arguments).expect("the arguments fit");
    }
}
