//! File names: `<version>_<name>.up.sql` and `<version>_<name>.down.sql`.

use std::fmt;

use crate::version::Version;

/// Forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Applying.
    Up,
    /// Undoing.
    Down,
}

impl Direction {
    /// How its files end.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Up => ".up.sql",
            Self::Down => ".down.sql",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// What a file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileName<'a> {
    /// The number before the first underscore.
    pub version: Version,
    /// What follows it.
    pub name: &'a str,
    /// Which of the two scripts it is.
    pub direction: Direction,
}

/// The longest file name that is read, in bytes. File systems stop at 255, and a copy needs room for `.orig` and the like.
const LONGEST: usize = 200;

/// Reads a file's name, or says in a few words why it is not a migration's.
pub fn file_name(file: &str) -> Result<FileName<'_>, String> {
    if file.len() > LONGEST {
        return Err(format!("it is {} bytes long, and {LONGEST} are the most", file.len()));
    }
    let (stem, direction) = [Direction::Up, Direction::Down]
        .into_iter()
        .find_map(|direction| Some((file.strip_suffix(direction.suffix())?, direction)))
        .ok_or_else(|| "it does not end with `.up.sql` or `.down.sql`".to_owned())?;
    let (version, name) = stem.split_once('_').ok_or_else(|| "there is no `_` between version and name".to_owned())?;
    let version = version.parse::<Version>().map_err(|error| error.to_string())?;
    if !is_name(name) {
        return Err("the name may have the characters a to z, 0 to 9 and `_` only".to_owned());
    }
    Ok(FileName { version, name, direction })
}

/// `create_users` of `20261121093000_create_users`.
pub(crate) fn behind_version(id: &str) -> &str {
    id.split_once('_').map_or("", |(_, name)| name)
}

/// Where the last component of a path begins.
pub(crate) fn file_in(path: &str) -> usize {
    path.rfind(std::path::is_separator).map_or(0, |at| at + 1)
}

/// Whether this is the name of a migration: `[a-z0-9_]+`.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_name_is_read() {
        let read = file_name("20261121093000_create_users.up.sql").unwrap();
        assert_eq!(
            (read.version.get(), read.name, read.direction),
            (20_261_121_093_000, "create_users", Direction::Up)
        );
    }

    #[test]
    fn all_else_is_refused_with_a_reason() {
        let long = format!("1_{}.up.sql", "x".repeat(200));
        for file in [
            "+1_x.up.sql",
            "-7_x.up.sql",
            "1_x.SQL",
            "1_x.UP.SQL",
            "1-x.up.sql",
            "1_x y.up.sql",
            "1_x.sql",
            "1_.up.sql",
            "_x.up.sql",
            "1_X.up.sql",
            "1_é.up.sql",
            "0_x.up.sql",
            "1_x.up.sql~",
            "#1_x.up.sql#",
            "1_x.up.sql.orig",
            ".up.sql",
            "9223372036854775808_x.up.sql",
            &long,
        ] {
            assert!(file_name(file).is_err(), "{file}");
        }
    }
}
