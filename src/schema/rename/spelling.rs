//! `--rename old:new`, as a person writes it.

use super::{Rename, has_rename, values};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};

/// What was written names nothing, or several things.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// There is no colon with a name on each side.
    #[error(
        "`{0}` is not `old:new`\n  = help: write `public.users.phone:mobile`; a name with a dot or a colon is quoted, as in SQL"
    )]
    Spelling(String),
    /// Nothing has the old name.
    #[error(
        "there is nothing called `{0}` to rename\n  = help: name it as `table`, `table.column`, `type.value` or with the schema before it"
    )]
    Nothing(String),
    /// Several have.
    #[error("`{0}` may be each of these: {list}\n  = help: write more of its path", list = .1.join(", "))]
    Several(String, Vec<String>),
}

impl Rename {
    /// Reads `old:new`. The old name needs as much of its path as tells it from others: what has the new name on the new side, and is not
    /// there any more under the old one, goes before what has not.
    pub fn read(text: &str, old: &Catalog, new: &Catalog) -> Result<Self, RenameError> {
        let spelling = || RenameError::Spelling(text.to_owned());
        let (from, to) = divide(text).ok_or_else(spelling)?;
        let (path, arguments) = from;
        let name = match to.as_slice() {
            [name] => name,
            // With the path again, as `public.users.phone:public.users.mobile`.
            [start @ .., name] if path.get(..path.len().saturating_sub(1)) == Some(start) => name,
            _ => return Err(spelling()),
        };
        let mut found: Vec<Rename> = Vec::new();
        for id in old.objects.keys().filter(|id| has_rename(id.kind)) {
            if names(id, &path, arguments.as_deref()) {
                found.push(Self::object(id, name));
            }
            if id.kind == Kind::Enum
                && let Some((value, of)) = path.split_last()
                && !of.is_empty()
                && id.path.ends_with(of)
                && values(old, id).contains(value)
            {
                found.push(Self::value(id, value, name));
            }
        }
        let fits = |rename: &Rename| match &rename.value {
            Some(value) => {
                let values = values(new, &rename.id);
                values.contains(&rename.new) && !values.contains(value)
            }
            None => new.get(&rename.target()).is_some() && new.get(&rename.id).is_none(),
        };
        if found.len() > 1 && found.iter().any(fits) {
            found.retain(fits);
        }
        // A table's name may be that of its schema's type, or of an index in another schema; the path as given goes before a part of it.
        if found.len() > 1 && found.iter().any(|it| it.value.is_none() && it.id.path == path) {
            found.retain(|it| it.value.is_none() && it.id.path == path);
        }
        let written = text.split_once(':').map_or(text, |(old, _)| old).to_owned();
        match found.as_slice() {
            [] => Err(RenameError::Nothing(written)),
            [_] => Ok(found.remove(0)),
            several => {
                let list = several.iter().map(|it| match &it.value {
                    Some(value) => format!("the value '{value}' of {}", it.id),
                    None => it.id.to_string(),
                });
                Err(RenameError::Several(written, list.collect()))
            }
        }
    }
}

/// Whether the end of an object's path is this.
fn names(id: &Id, path: &[String], arguments: Option<&str>) -> bool {
    match id.kind {
        Kind::Function | Kind::Aggregate => {
            let own = id.path.get(..2).unwrap_or_default();
            own.ends_with(path) && arguments.is_none_or(|given| id.path.get(2).is_some_and(|it| it == given))
        }
        Kind::OperatorFamily | Kind::OperatorClass => id.path.get(..2).unwrap_or_default().ends_with(path),
        _ => arguments.is_none() && id.path.ends_with(path),
    }
}

/// Names with dots between, and the arguments of a function.
type Path = (Vec<String>, Option<String>);

/// What stands before and behind the colon.
fn divide(text: &str) -> Option<(Path, Vec<String>)> {
    let mut names = vec![String::new()];
    let mut arguments: Option<String> = None;
    let mut before: Option<Path> = None;
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let name = names.last_mut()?;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            _ if quoted => name.push(character),
            '(' if before.is_none() && arguments.is_none() => {
                let mut inner = String::new();
                let mut depth = 1_usize;
                for character in characters.by_ref() {
                    depth = match character {
                        '(' => depth + 1,
                        ')' => depth - 1,
                        _ => depth,
                    };
                    if depth == 0 {
                        break;
                    }
                    inner.push(character);
                }
                arguments = Some(inner);
            }
            '.' => names.push(String::new()),
            ':' if before.is_none() => {
                before = Some((std::mem::replace(&mut names, vec![String::new()]), arguments.take()));
            }
            // As in SQL, what is not quoted has no capitals; but a person copies a value of an enum as it is.
            _ => name.push(character),
        }
    }
    let before = before?;
    let empty = |names: &[String]| names.iter().any(String::is_empty);
    (!quoted && !empty(&before.0) && !empty(&names)).then_some((before, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Vec<String>, Option<String>, Vec<String>)> {
        divide(text).map(|((path, arguments), new)| (path, arguments, new))
    }

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn old_and_new_stand_on_both_sides_of_a_colon() {
        assert_eq!(read("users:accounts"), Some((own(&["users"]), None, own(&["accounts"]))));
        assert_eq!(
            read(r#"public."a.b:c""d".x:"Y:z""#),
            Some((own(&["public", "a.b:c\"d", "x"]), None, own(&["Y:z"])))
        );
        assert_eq!(
            read("public.f(integer, numeric(1,2)):g"),
            Some((own(&["public", "f"]), Some("integer, numeric(1,2)".into()), own(&["g"])))
        );
        for wrong in ["users", ":x", "x:", "a..b:c", "\"a:b", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
