//! What may lose data and mostly does not, so that nobody is asked who has not said `destructive`.

use super::super::lexer::TokenKind;
use super::Lost;
use super::data_loss::{Loss, fills_new_columns, values};
use super::made::{Made, altered_table};
use super::tokens::Piece;

/// What of the statement may lose data that `made` does not have.
pub(super) fn of(tokens: Piece<'_>, made: &Made) -> Vec<Loss> {
    if tokens.starts_with(&["ALTER", "TABLE"]) {
        changed_types(tokens, made)
    } else if tokens.starts_with(&["DELETE", "FROM"]) {
        some_rows(tokens, "DELETE FROM", 2, made).into_iter().collect()
    } else if tokens.is(0, "UPDATE") {
        update(tokens, made).into_iter().collect()
    } else if tokens.is(0, "WITH") {
        let opens = (1..tokens.len()).filter(|at| tokens.kind(*at) == Some(TokenKind::Open));
        let inside = opens.map(|at| tokens.part(at + 1..tokens.behind_parenthesis(at).saturating_sub(1)));
        inside.filter(|part| part.is_any(0, &["DELETE", "UPDATE"])).flat_map(|part| of(part, made)).collect()
    } else {
        Vec::new()
    }
}

/// `ALTER [COLUMN] c [SET DATA] TYPE t`: to a narrower one it fails, or cuts off what `USING` says.
fn changed_types(tokens: Piece<'_>, made: &Made) -> Vec<Loss> {
    let Some((table, at)) = altered_table(tokens).filter(|(table, _)| !made.has("TABLE", &table.key)) else {
        return Vec::new();
    };
    let changed = |action: Piece<'_>| {
        let (column, at) = action.is(0, "ALTER").then(|| action.name(action.skip(1, &["COLUMN"])))??;
        let is_change = action.is(action.skip(at, &["SET", "DATA"]), "TYPE");
        let is_old = is_change && !made.has_column(&table.key, &column.key);
        let what = format!("ALTER TABLE {} ALTER COLUMN {} TYPE", table.shown, column.shown);
        is_old.then(|| Loss::new(action, 0..action.len(), what).of(values(&table, &column)))
    };
    tokens.from(at).comma_parts().into_iter().filter_map(changed).collect()
}

fn update(tokens: Piece<'_>, made: &Made) -> Option<Loss> {
    let set = tokens.find(1, "SET").filter(|set| *set > 1)?;
    let (table, _) = tokens.name(tokens.skip(1, &["ONLY"]))?;
    let assignments = tokens.part(set + 1..tokens.find(set, "WHERE")?);
    if fills_new_columns(assignments, &table.key, made) {
        return None;
    }
    some_rows(tokens, "UPDATE", 1, made)
}

/// Of a statement with a condition, whose table stands at this place.
fn some_rows(tokens: Piece<'_>, verb: &str, at: usize, made: &Made) -> Option<Loss> {
    tokens.find(at, "WHERE")?;
    let (table, _) = tokens.name(tokens.skip(at, &["ONLY"]))?;
    let lost = if table.path.is_empty() { Lost::Unknown } else { Lost::SomeRows(table.path) };
    let what = format!("{verb} {} WHERE …", table.shown);
    (!made.has("TABLE", &table.key)).then(|| Loss::new(tokens, 0..tokens.len(), what).of(lost))
}
