//! Text search dictionaries. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSearchDictionary {
    template: String,
    /// As Postgres keeps them: `language = 'english', stopwords = 'english'`.
    options: Option<String>,
}

/// The names in a list of options, quoted as they stand there.
fn names(options: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (at, character) in options.char_indices() {
        match (quote, character) {
            // A doubled quote ends a string and begins another one: no harm done.
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '=') => names.push(options.get(start..at).unwrap_or_default().trim()),
            (None, ',') => start = at + 1,
            _ => {}
        }
    }
    names
}

impl Entity for TextSearchDictionary {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, d.dictname), 'owner', d.dictowner::bigint,
                'definition', json_build_object('options', d.dictinitoption,
                'template', (SELECT format('%I.%I', m.nspname, t.tmplname) FROM pg_ts_template t
                    JOIN pg_namespace m ON m.oid = t.tmplnamespace WHERE t.oid = d.dicttemplate)))
             FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace WHERE {theirs} AND NOT {extension}",
            address = address("pg_ts_dict", "d.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_ts_dict", "d.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TEXT SEARCH DICTIONARY {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let options = self.options.as_ref().map_or(String::new(), |options| format!(", {options}"));
        vec![Statement::new(format!("CREATE {} (TEMPLATE = {}{options})", self.phrase(id), self.template))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if self.template != old.template {
            return Change::Replace;
        }
        // A name without a value takes the option away. One with a value goes to the end of the list, so that all of them, in their
        // order, are what is written.
        let (new, old) = (self.options.as_deref().unwrap_or_default(), old.options.as_deref().unwrap_or_default());
        let kept = names(new);
        let mut clauses: Vec<&str> = names(old).into_iter().filter(|name| !kept.contains(name)).collect();
        if !new.is_empty() {
            clauses.push(new);
        }
        if clauses.is_empty() {
            return Change::Alter(Vec::new());
        }
        Change::Alter(vec![Statement::new(format!("ALTER {} ({})", self.phrase(id), clauses.join(", ")))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_options_are_found_between_quotes() {
        assert_eq!(names("language = 'english', stopwords = 'a, b = ''c'''"), ["language", "stopwords"]);
        assert_eq!(names("\"Odd, = name\" = 1, b = E'\\\\'"), ["\"Odd, = name\"", "b"]);
        assert_eq!(names(""), [""; 0]);
    }
}
