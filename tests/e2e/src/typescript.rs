//! The TypeScript client, compiled as its users do, and programs that use it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::command::{Output, ended_within};

/// Longest time of one run of the compiler, or of a program.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

/// What programs find in the environment.
const ENVIRONMENT: &str = "declare const process: { env: Record<string, string>; argv: string[] };\n";
/// As strict as a user may want it, with what every runtime has alone.
const SETTINGS: &str = r#"{"compilerOptions": {"target": "ES2022", "module": "nodenext", "lib": ["ES2023", "DOM"],
    "types": [], "strict": true}, "include": ["*.mts", "environment.d.ts"]}"#;

/// A folder with the package, where programs can be compiled and run.
#[derive(Debug)]
pub struct TypeScript {
    compiler: PathBuf,
    folder: TempDir,
}

impl TypeScript {
    /// Compiles the package, with the compiler that the set-up installed.
    ///
    /// # Panics
    /// If it does not compile.
    pub async fn package(compiler: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (crate::client_ts(), folder.path().join("node_modules/argus-client"));
        std::fs::create_dir_all(to.join("src")).expect("its folder");
        let sources = std::fs::read_dir(from.join("src")).expect("its sources");
        let sources = sources.map(|file| Path::new("src").join(file.expect("a file").file_name()));
        for file in sources.chain(["package.json", "tsconfig.json"].map(PathBuf::from)) {
            std::fs::copy(from.join(&file), to.join(&file)).expect("copied");
        }
        std::fs::write(folder.path().join("environment.d.ts"), ENVIRONMENT).expect("written");
        std::fs::write(folder.path().join("tsconfig.json"), SETTINGS).expect("written");
        let typescript = Self { compiler, folder };
        typescript.compile_in(&to).await;
        typescript
    }

    /// Compiles programs, all at once: their names, and their texts.
    ///
    /// # Panics
    /// If they do not compile, with what the compiler says.
    pub async fn compile<'a>(&self, programs: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (name, text) in programs {
            std::fs::write(self.folder.path().join(format!("{name}.mts")), text).expect("written");
        }
        self.compile_in(self.folder.path()).await;
    }

    /// A program that was compiled, as a command.
    pub fn program(&self, name: &str) -> std::process::Command {
        let mut command = std::process::Command::new("node");
        // Older ones than 22 have their WebSocket behind this.
        command.args(["--experimental-websocket", "--no-warnings"]);
        command.arg(self.folder.path().join(format!("{name}.mjs")));
        command
    }

    async fn compile_in(&self, folder: &Path) {
        let Output { code, out, err } =
            ended_within(LIMIT, folder, Command::new("node").arg(&self.compiler)).await;
        assert_eq!(code, 0, "{out}{err}");
    }
}
