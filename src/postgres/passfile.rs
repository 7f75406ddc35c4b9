//! libpq's password file (manual, section 34.16, "The Password File").

use std::path::{Path, PathBuf};

use super::database::Database;

/// The password that `PGPASSFILE` or `~/.pgpass` has for this database, if any. As with libpq, a file that others may read is not used.
pub(super) fn password(database: &Database, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let path =
        variable("PGPASSFILE").map(PathBuf::from).or_else(|| Some(Path::new(&variable("HOME")?).join(".pgpass")))?;
    if !is_private(&path) {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let host = database.hosts().into_iter().next()?;
    // A socket's folder is written as `localhost` there.
    let host = if host.starts_with('/') { "localhost".to_owned() } else { host };
    let user = database.user()?;
    find(&text, [&host, &database.port().to_string(), database.name(), user])
}

/// Without a permission for group or others: the lowest six bits of the mode are theirs.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode().trailing_zeros() >= 6)
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> bool {
    path.is_file()
}

/// The password of the first line whose host, port, database and user are these or `*`.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = fields(line).into_iter();
        let fits = wanted.iter().all(|want| fields.next().is_some_and(|field| field == "*" || field == *want));
        if fits { fields.next() } else { None }
    })
}

/// Fields are split at colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, fields.last_mut()) {
            (':', _) => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(characters.next()),
            (other, Some(field)) => field.push(other),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# comment\nother:5432:shop:ann:no\nh:*:shop:ann:a\\:b\\\\c\n*:*:*:*:later\n";
        assert_eq!(find(text, ["h", "5432", "shop", "ann"]).as_deref(), Some("a:b\\c"));
        assert_eq!(find(text, ["x", "1", "y", "z"]).as_deref(), Some("later"));
        assert_eq!(find("h:5432", ["h", "5432", "shop", "ann"]), None);
    }
}
