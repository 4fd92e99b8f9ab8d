//! A service of a compose file, and what is said of it.

use serde_json::Value;

/// Folders beside the compose file that its README has an operator make.
pub const MADE: &[&str] = &["secrets", "tls", "tls-keepers", "pki", "admin"];

/// What others' programs listen on, by their images.
const LISTENS: &[(&str, &[u16])] = &[
    ("cassandra", &[9042]),
    ("redis", &[6379]),
    ("ipfs/kubo", &[5001, 8080]),
    ("jaegertracing/all-in-one", &[4317]),
    ("prom/prometheus", &[9090]),
    ("grafana/grafana", &[3000]),
];

/// One service.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is said of it.
    pub service: &'a Value,
}

impl<'a> Part<'a> {
    /// Its image and the image's tag.
    pub fn image(&self) -> (&'a str, &'a str) {
        let image = self.service["image"].as_str().unwrap_or_default();
        image.rsplit_once(':').unwrap_or((image, ""))
    }

    /// Whether it runs the program of this repository.
    pub fn is_ours(&self) -> bool {
        self.image().0 == "argus"
    }

    /// The words of its command.
    pub fn command(&self) -> Vec<&'a str> {
        texts(&self.service["command"])
    }

    /// The roles that it runs.
    pub fn roles(&self) -> Vec<&'a str> {
        let command = self.command();
        match command.first() {
            Some(&"keeper") if self.is_ours() => vec!["keeper"],
            Some(&"run") if self.is_ours() => {
                let named = command.iter().position(|word| *word == "--roles");
                let roles = named.and_then(|at| command.get(at + 1)).copied().unwrap_or("all");
                roles.split(',').collect()
            }
            _ => Vec::new(),
        }
    }

    /// Ports of others' programs that it listens on.
    pub fn listens(&self) -> &'static [u16] {
        LISTENS.iter().find(|(image, _)| *image == self.image().0).map_or(&[], |(_, ports)| ports)
    }

    /// The networks that it is in.
    pub fn networks(&self) -> Vec<&'a str> {
        texts(&self.service["networks"])
    }

    /// The secrets that it is given, by their short form: under /run/secrets by their own names.
    pub fn secrets(&self) -> Vec<&'a str> {
        texts(&self.service["secrets"])
    }

    /// What is mounted: source and target.
    pub fn mounts(&self) -> Vec<(&'a str, &'a str)> {
        let volumes = texts(&self.service["volumes"]);
        volumes
            .into_iter()
            .filter_map(|volume| {
                let (source, rest) = volume.split_once(':')?;
                Some((source, rest.split(':').next().unwrap_or(rest)))
            })
            .collect()
    }

    /// Names and values of its environment.
    pub fn environment(&self) -> Vec<(&'a str, String)> {
        match &self.service["environment"] {
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| {
                    (name.as_str(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
                .collect(),
            list => texts(list)
                .into_iter()
                .map(|line| line.split_once('=').unwrap_or((line, "")))
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
        }
    }

    /// What it waits for, and until when.
    pub fn waits(&self) -> Vec<(&'a str, &'a str)> {
        let waits = self.service["depends_on"].as_object().into_iter().flatten();
        waits.map(|(name, until)| (name.as_str(), until["condition"].as_str().unwrap_or_default())).collect()
    }
}

/// The texts of a list.
pub fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
