//! What is written about the rules: `--explain`, `--rules`, and `docs/lint/`.

use std::fmt::Write as _;

use super::levels::Levels;
use super::rule::{Check, Level, Rule};
use super::rules::RULES;

/// A rule's page, in Markdown that reads as text.
pub(crate) fn text(rule: &Rule) -> String {
    let mut page = format!("# {}\n\n{}.\n\n", rule.name, capital(rule.summary));
    let known: Vec<&str> = [level(rule), found_by(rule)].into_iter().filter(|words| !words.is_empty()).collect();
    let _ = write!(page, "{}\n\n## Why\n\n{}\n\n## Instead\n\n", known.join(" "), rule.why);
    let (words, sql) = rule.instead.split_once('\n').unwrap_or((rule.instead, ""));
    page.push_str(words);
    page.push('\n');
    if !sql.is_empty() {
        page.push_str(&fenced(sql));
    }
    if !rule.hazards.is_empty() {
        page.push_str("\n## What it finds\n");
        rule.hazards.iter().for_each(|example| page.push_str(&fenced(example)));
    }
    if !rule.safe.is_empty() {
        page.push_str("\n## What it leaves alone\n");
        rule.safe.iter().for_each(|example| page.push_str(&fenced(example)));
    }
    let _ = write!(page, "\n## To silence it\n\n{}", silence(rule));
    page
}

fn level(rule: &Rule) -> &'static str {
    match (rule.level, rule.is_linters()) {
        (Level::Deny, true) => "It is denied.",
        (Level::Warn, true) => "It warns.",
        (Level::Off, true) => "It is off unless a project turns it on.",
        (Level::Warn, false) => "It warns, in the build as well.",
        (_, false) => "It is denied, and the app's build stops at it as well.",
    }
}

fn found_by(rule: &Rule) -> &'static str {
    match rule.check {
        Check::Build(_) | Check::BuildAnd(..) | Check::Ours(_) | Check::Unread => "",
        Check::Squawk(..) => "squawk finds it, and what the earlier migrations made is known beside that.",
        Check::Both(..) => "squawk finds some of it.",
        Check::Traced => "It is seen only on a scratch database.",
    }
}

fn silence(rule: &Rule) -> String {
    let script = |directive: &str| {
        format!(
            "In the comments at the top of the script, with the reason:\n\n```sql\n-- stairwell: {directive}\n```\n"
        )
    };
    if rule.is_linters() {
        let settings = if rule.level == Level::Off { "warn" } else { "off" };
        return format!(
            "{}\nFor a whole project, in its `Cargo.toml`:\n\n```toml\n[workspace.metadata.stairwell.lint]\n{} = \"{settings}\"\n```\n",
            script(&format!("allow {} <reason>", rule.name)),
            rule.name
        );
    }
    match rule.name {
        "destructive" => script("destructive <reason>"),
        "opaque-sql" | "session-state" | "enum-value-used" => script(&format!("allow {} <reason>", rule.name)),
        _ => "It cannot be silenced: the migration would fail, or would not be one.\n".to_owned(),
    }
}

/// SQL in a block of its own.
fn fenced(sql: &str) -> String {
    format!("\n```sql\n{}\n```\n", sql.trim_end())
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// All rules, a line each.
pub(crate) fn table(levels: &Levels) -> String {
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
    let line = |rule: &Rule| {
        let level = match (rule.is_linters(), levels.of(rule)) {
            (false, _) => "build",
            (true, Level::Off) => "off",
            (true, Level::Warn) => "warn",
            (true, Level::Deny) => "deny",
        };
        format!("{:<width$}  {level:<5}  {}\n", rule.name, rule.summary)
    };
    RULES.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The index of `docs/lint/`.
    fn index() -> String {
        let mut page = String::from(
            "# Rules of `cargo xtask db lint`\n\n\
             Each has a page, which `cargo xtask db lint --explain <rule>` prints as well. These pages are written from the rules' own files, \
             `xtask/src/lint/rules/`, by `STAIRWELL_WRITE_DOCS=1 cargo test -p stairwell-xtask --lib lint`; a test fails where they are old. In examples, `-- later` stands between one migration and the next.\n\n\
             | rule | level | finds |\n| --- | --- | --- |\n",
        );
        for rule in &RULES {
            let level = match (rule.is_linters(), rule.level) {
                (false, Level::Warn) => "warns in the build",
                (false, _) => "the build stops",
                (true, Level::Off) => "off",
                (true, Level::Warn) => "warn",
                (true, Level::Deny) => "deny",
            };
            let summary = rule.summary.replace('|', "\\|");
            let _ = writeln!(page, "| [{0}]({0}.md) | {level} | {summary} |", rule.name);
        }
        page
    }

    /// Every page, by its file's name.
    fn pages() -> Vec<(String, String)> {
        let of_rules = RULES.iter().map(|rule| (format!("{}.md", rule.name), text(rule)));
        of_rules.chain([("README.md".to_owned(), index())]).collect()
    }

    #[test]
    fn the_pages_in_docs_are_what_the_rules_say() {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lint");
        // A package that was published has no pages beside it.
        if !folder.parent().is_some_and(Path::is_dir) {
            eprintln!("skipped: there is no `docs/` here");
            return;
        }
        if std::env::var_os("STAIRWELL_WRITE_DOCS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            for (name, page) in pages() {
                fs::write(folder.join(name), page).unwrap();
            }
        }
        let mut there: Vec<String> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let mut wanted: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
        there.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(there, wanted, "STAIRWELL_WRITE_DOCS=1 writes them");
        for (name, page) in pages() {
            assert_eq!(
                fs::read_to_string(folder.join(&name)).unwrap(),
                page,
                "{name}: STAIRWELL_WRITE_DOCS=1 writes it"
            );
        }
    }

    #[test]
    fn a_page_teaches_its_rule() {
        insta::assert_snapshot!(text(super::super::rules::named("set-not-null").unwrap()));
    }

    #[test]
    fn the_table_shows_what_is_on() {
        insta::assert_snapshot!(table(&Levels::default()));
    }
}
