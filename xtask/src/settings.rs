//! What the workspace's Cargo.toml says of stairwell: `[workspace.metadata.stairwell]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::{Code, Failure};

/// Where the desired state comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Desired {
    /// A file or a folder, from the workspace's root.
    Path(PathBuf),
    /// What prints it.
    Command {
        /// For the shell.
        command: String,
    },
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It is not looked for.
    Off,
    /// Worth knowing; nothing stops.
    Warn,
    /// `db lint` and `db check` fail.
    Deny,
}

/// All that can be configured.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) schema: Option<Desired>,
    /// The level of each rule that is not what it is otherwise.
    #[serde(default)]
    pub(crate) lint: BTreeMap<String, Level>,
}

/// The part of a manifest that is ours.
#[derive(Debug, Default, Deserialize)]
struct Manifest {
    workspace: Option<Section>,
    package: Option<Section>,
}

#[derive(Debug, Default, Deserialize)]
struct Section {
    metadata: Option<Metadata>,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    stairwell: Option<Settings>,
}

impl Settings {
    /// Those of the workspace in this folder. A misspelt one is an error.
    pub(crate) fn of(root: &Path) -> Result<Self, Failure> {
        let manifest = root.join("Cargo.toml");
        let wrong = |why: String| {
            Failure::new(
                Code::Usage,
                format!(
                    "`{}`: {why}\n  = help: [workspace.metadata.stairwell] knows `schema`, a path or `{{ command = \"…\" }}`, and `lint`, \
                     a table of rules with `off`, `warn` or `deny`",
                    manifest.display()
                ),
            )
        };
        let text = std::fs::read_to_string(&manifest).map_err(|error| wrong(error.to_string()))?;
        let parsed: Manifest = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        let sections = [parsed.workspace, parsed.package];
        let settings: Self =
            sections.into_iter().flatten().find_map(|section| section.metadata?.stairwell).unwrap_or_default();
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        std::fs::write(folder.path().join("Cargo.toml"), text).map_err(|error| error.to_string())?;
        Settings::of(folder.path()).map_err(|failure| failure.message())
    }

    #[test]
    fn the_desired_state_is_a_path_or_a_command() {
        let path = "[workspace]\nmembers = []\n[workspace.metadata.stairwell]\nschema = \"db/schema\"";
        assert_eq!(read(path).unwrap().schema, Some(Desired::Path("db/schema".into())));
        let command = "[workspace.metadata.stairwell]\nschema = { command = \"cargo run -p models\" }";
        assert_eq!(read(command).unwrap().schema, Some(Desired::Command { command: "cargo run -p models".into() }));
        assert_eq!(read("[package]\nname = \"shop\"\n[package.metadata.other]\nschema = 1"), Ok(Settings::default()));
    }

    #[test]
    fn a_misspelt_setting_is_no_silence() {
        let error = read("[workspace.metadata.stairwell]\nshcema = \"schema.sql\"").unwrap_err();
        assert!(error.contains("shcema"), "{error}");
    }

    #[test]
    fn rules_have_levels() {
        let settings = read("[workspace.metadata.stairwell.lint]\nrename = \"warn\"\nwide-index = \"deny\"").unwrap();
        assert_eq!(settings.lint, [("rename".to_owned(), Level::Warn), ("wide-index".to_owned(), Level::Deny)].into());
        assert!(read("[workspace.metadata.stairwell.lint]\nrename = \"loud\"").unwrap_err().contains("loud"));
    }
}
