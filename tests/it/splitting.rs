//! The corpus of scripts that trip statement splitters.

use std::collections::BTreeMap;

use stairwell::sql;

use crate::harness::Outcome;
use crate::harness::shared::shared;

crate::trials!(each_script_falls_into_the_statements_that_postgres_sees);

/// How many statements Postgres sees, where that is not the number of `select`s and `create`s at the beginning of lines.
fn each_script_falls_into_the_statements_that_postgres_sees() -> Outcome {
    let text = std::fs::read_to_string(shared("corpora/splitting/cases.json")?).unwrap();
    let cases = cases(&text);
    assert_eq!(cases.len(), 45);
    let expected: BTreeMap<&str, usize> = [
        ("no_trailing_semicolon", 2),
        ("dollar_nested", 2),
        ("dollar_nested2", 2),
        ("begin_atomic", 2),
        ("begin_atomic_case", 2),
        ("atomic_in_name", 2),
        ("create_rule_parens", 2),
        ("create_procedure_atomic", 2),
        ("create_schema_elements", 2),
        ("explicit_tx", 3),
        ("empty_statements", 1),
        ("comment_only", 0),
        ("line_comment_quote", 2),
        ("nested_block_comment", 2),
        ("string_continuation", 2),
        ("u_fffd_comment", 2),
        ("copy_stdin", 2),
        ("positional_param", 2),
        ("bom", 2),
        ("crlf", 2),
    ]
    .into();
    for (name, script) in &cases {
        let split = sql::split(script.trim_start_matches('\u{feff}'));
        let wanted = expected.get(name.as_str()).copied().unwrap_or(2);
        assert_eq!(split.statements.len(), wanted, "{name}: {script}");
        assert_eq!(split.unterminated, None, "{name}");
        assert_eq!(split.meta_commands.is_empty(), name != "psql_meta", "{name}");
        assert_eq!(split.copies.is_empty(), name != "copy_stdin", "{name}");
    }
    Ok(())
}

/// Reads `[{"name": …, "sql": …}, …]`. The file has strings and nothing else in it, so this is all the JSON that is needed.
fn cases(json: &str) -> Vec<(String, String)> {
    let mut strings = Vec::new();
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        if character == '"' {
            strings.push(string(&mut characters));
        }
    }
    strings
        .chunks(4)
        .filter_map(|pair| if let [_, name, _, sql] = pair { Some((name.clone(), sql.clone())) } else { None })
        .collect()
}

fn string(characters: &mut std::str::Chars<'_>) -> String {
    let mut units: Vec<u16> = Vec::new();
    while let Some(character) = characters.next() {
        let character = match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('u') => {
                    let hex: String = characters.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&hex, 16).unwrap());
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend(character.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16(&units).unwrap()
}
