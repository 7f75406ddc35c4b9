//! The names that Postgres gives where a statement gives none.

/// The bytes of a name at most (`NAMEDATALEN` less one).
const MOST: usize = 63;

/// `table_column_label`, with the longer of the first two cut until it fits (`makeObjectName` in Postgres' source).
pub(super) fn joined(table: &str, column: &str, label: &str) -> String {
    let extra = label.len() + 1 + usize::from(!column.is_empty());
    let (mut first, mut second) = (table.len(), column.len());
    while first + second + extra > MOST && first + second > 0 {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let (first, second) = (clip(table, first), clip(column, second));
    if column.is_empty() { format!("{first}_{label}") } else { format!("{first}_{second}_{label}") }
}

/// The names of columns, joined, as they stand in the name of an index (`ChooseIndexNameAddition`).
pub(super) fn columns(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push('_');
        }
        text.push_str(name);
        if text.len() > MOST {
            break;
        }
    }
    clip(&text, MOST).to_owned()
}

/// So many bytes at most, and no half character.
fn clip(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_where_postgres_cuts_it() {
        assert_eq!(joined("users", "id", "seq"), "users_id_seq");
        assert_eq!(joined("users", "", "pkey"), "users_pkey");
        let name = joined(&"t".repeat(63), &"c".repeat(20), "key");
        assert_eq!(name, format!("{}_{}_key", "t".repeat(38), "c".repeat(20)));
    }
}
