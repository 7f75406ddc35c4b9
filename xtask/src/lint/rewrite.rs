//! The files of a migration whose statements are mended: what stays, and what becomes migrations of its own.

use std::ops::Range;

use stairwell::migration::{Migration, Script};
use stairwell::sql::{Lexer, TokenKind};

use super::fix::{Fix, Piece, Place, Undo};

/// A migration as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) up: String,
    /// Not there if there is no way back.
    pub(crate) down: Option<String>,
    /// The migrations behind it, in order: what each does, in words for its name, and both texts.
    pub(crate) later: Vec<Later>,
}

/// A new migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Later {
    pub(crate) name: String,
    pub(crate) up: String,
    pub(crate) down: Option<String>,
}

/// The statement's words in lower case, with a space between them: without what says only how carefully it goes, without quotes, and
/// without `public`.
pub(crate) fn plain(statement: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for token in Lexer::new(statement).filter(|token| !token.is_comment() && token.kind != TokenKind::Semicolon) {
        let text = token.text(statement);
        let word = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        words.push(word.map_or_else(|| text.to_lowercase(), str::to_owned));
    }
    let text = words.join(" ").replace(" . ", ".");
    let left_out = [" if exists", " if not exists", " concurrently", " only", " column", " public."];
    left_out.iter().fold(text, |text, words| text.replace(&format!("{words} "), " ").replace(" public.", " "))
}

/// The migration with its statements mended: the number of a statement among those of the up script, and how it is mended. `Err` says why
/// it cannot be done without a person.
pub(crate) fn rewrite(migration: &Migration, fixes: &[(usize, Fix)]) -> Result<Rewritten, String> {
    let script = &migration.up;
    let statements = script.statements();
    let mut downs = migration.down.as_ref().map(Downs::of);
    let irreversible = script.directives().irreversible.as_deref();
    let (mut edits, mut later) = (Vec::new(), Vec::new());
    for (n, fix) in fixes {
        let range = statements.get(*n).ok_or("there is no such statement")?;
        // A script of one statement becomes the first of the pieces, whatever that is.
        let is_whole = statements.len() == 1;
        let mut here = Vec::new();
        for (m, piece) in fix.pieces.iter().enumerate() {
            let old = script.text().get(range.clone()).unwrap_or_default();
            let undo = downs.as_mut().map_or(Ok(WayBack::None), |downs| downs.take(piece, old))?;
            if piece.place == Place::Here || (is_whole && m == 0) {
                here.push(piece);
                if let (Some(downs), WayBack::Sql(sql)) = (downs.as_mut(), undo) {
                    downs.keep(sql, piece.place);
                }
            } else {
                later.push(Later::of(piece, undo, irreversible));
            }
        }
        edits.push((range.clone(), here));
    }
    if edits.len() == statements.len() && edits.iter().all(|(_, here)| here.is_empty()) {
        return Err("nothing would be left of it: move its statements to migrations of their own".to_owned());
    }
    let mut up = script.text().to_owned();
    let mut is_alone = false;
    edits.sort_by_key(|(range, _)| range.start);
    for (range, here) in edits.iter().rev() {
        let sql: Vec<&str> = here.iter().map(|piece| piece.sql.as_str()).collect();
        is_alone |= here.iter().any(|piece| piece.place == Place::Alone);
        replace(&mut up, range.clone(), &sql.join(";\n"));
    }
    if is_alone && !script.directives().no_transaction {
        up.insert_str(0, "-- stairwell: no-transaction\n");
    }
    Ok(Rewritten { up, down: downs.map(Downs::text), later })
}

impl Later {
    fn of(piece: &Piece, undo: WayBack, irreversible: Option<&str>) -> Self {
        let directive = |alone: bool| if alone { "-- stairwell: no-transaction\n\n" } else { "" };
        let is_alone = piece.place == Place::Alone;
        let mut up = format!("{}{};\n", directive(is_alone), piece.sql);
        let down = match undo {
            WayBack::None => {
                up.insert_str(
                    0,
                    &format!("-- stairwell: irreversible {}\n", irreversible.unwrap_or("it was made of one that is")),
                );
                None
            }
            WayBack::Empty => Some("-- stairwell: allow empty there is nothing to undo\n".to_owned()),
            WayBack::Sql(sql) => Some(format!("{}{sql};\n", directive(is_alone))),
        };
        Self { name: name(&piece.sql), up, down }
    }
}

/// What a statement does, for a file's name: its verb, and the last name in it that it is about.
fn name(sql: &str) -> String {
    let words = plain(sql);
    let behind = |word: &str| {
        let rest = words.split_once(&format!(" {word} "))?.1;
        Some(rest.split([' ', '(']).next().unwrap_or_default().to_owned())
    };
    let verb = words.split(' ').next().unwrap_or_default();
    if let Some(name) = behind("validate constraint") {
        format!("validate_{name}")
    } else if let Some(name) = behind("add constraint") {
        format!("add_{name}")
    } else if words.contains(" set not null") {
        format!("{}_{}_not_null", behind("table").unwrap_or_default(), behind("alter").unwrap_or_default())
    } else {
        format!("{verb}_{}", behind("index").unwrap_or_else(|| "rest".to_owned()))
    }
}

/// Puts other SQL in a statement's place; without any, the statement's semicolon and the rest of an empty line go as well.
fn replace(text: &mut String, range: Range<usize>, sql: &str) {
    let mut end = range.end;
    if sql.is_empty() {
        let rest = text.get(end..).unwrap_or_default();
        let semicolon = rest.len() - rest.trim_start().len();
        if rest.trim_start().starts_with(';') {
            end += semicolon + 1;
        }
        let rest = text.get(end..).unwrap_or_default();
        if rest.starts_with('\n')
            && text.get(..range.start).is_some_and(|before| before.is_empty() || before.ends_with('\n'))
        {
            end += 1;
        }
    }
    text.replace_range(range.start..end, sql);
}

/// What undoes a piece.
enum WayBack {
    /// The old migration has none.
    None,
    /// There is nothing to undo.
    Empty,
    Sql(String),
}

/// A down script, and what has been taken out of it.
struct Downs<'a> {
    script: &'a Script,
    /// The numbers of the statements, and what stands in their places now.
    taken: Vec<(usize, Option<String>)>,
    /// What was added at the end.
    added: Vec<String>,
    is_alone: bool,
}

impl<'a> Downs<'a> {
    fn of(script: &'a Script) -> Self {
        Self { script, taken: Vec::new(), added: Vec::new(), is_alone: false }
    }

    /// What undoes a piece. What undid the old statement is no longer wanted where it was.
    fn take(&mut self, piece: &Piece, old: &str) -> Result<WayBack, String> {
        match &piece.undo {
            Undo::Nothing => Ok(WayBack::Empty),
            Undo::Also(sql) => Ok(WayBack::Sql(sql.clone())),
            Undo::AsBefore if piece.place == Place::Here => Ok(WayBack::Empty),
            Undo::AsBefore => {
                // It is an index that was dropped.
                let dropped = plain(old);
                let name = dropped.strip_prefix("drop index ").unwrap_or_default();
                let statement = self.find(|down| {
                    let rest = down.strip_prefix("create unique index ").or_else(|| down.strip_prefix("create index "));
                    rest.is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(" on ")))
                });
                let statement =
                    statement.ok_or_else(|| format!("{} does not make `{name}` again", self.script.file()))?;
                let words = statement.to_lowercase();
                if words.contains(" concurrently ") {
                    return Ok(WayBack::Sql(statement));
                }
                let at = words.find("index").map_or(0, |at| at + "index".len());
                let (head, tail) = statement.split_at(at);
                Ok(WayBack::Sql(format!("{head} CONCURRENTLY{tail}")))
            }
            Undo::Instead { of, sql } => match self.find(|down| down == of) {
                Some(_) => Ok(WayBack::Sql(sql.clone())),
                None => Err(format!("{} does not undo it with a statement of its own, `{of}`", self.script.file())),
            },
        }
    }

    fn find(&mut self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let text = self.script.text();
        let found = self.script.statements().iter().enumerate().find_map(|(n, range)| {
            let statement = text.get(range.clone())?;
            let is_there = self.taken.iter().all(|(taken, _)| *taken != n);
            (is_there && is_it(&plain(statement))).then_some((n, statement.to_owned()))
        });
        found.map(|(n, statement)| {
            self.taken.push((n, None));
            statement
        })
    }

    /// What undoes a piece stays in this script: where the statement was that has just been taken, or at its end.
    fn keep(&mut self, sql: String, place: Place) {
        self.is_alone |= place == Place::Alone;
        match self.taken.last_mut() {
            Some((_, slot)) if slot.is_none() => *slot = Some(sql),
            _ => self.added.push(sql),
        }
    }

    fn text(mut self) -> String {
        let mut text = self.script.text().to_owned();
        let statements = self.script.statements();
        let is_left = self.taken.len() < statements.len()
            || !self.added.is_empty()
            || self.taken.iter().any(|(_, sql)| sql.is_some());
        self.taken.sort_unstable();
        for (n, sql) in self.taken.iter().rev() {
            if let Some(range) = statements.get(*n) {
                replace(&mut text, range.clone(), sql.as_deref().unwrap_or_default());
            }
        }
        text.extend(self.added.iter().flat_map(|sql| [sql.as_str(), ";\n"]));
        let directives = self.script.directives();
        if self.is_alone && !directives.no_transaction {
            text.insert_str(0, "-- stairwell: no-transaction\n");
        }
        if !is_left && !directives.allows(stairwell::Rule::Empty) {
            text.insert_str(0, "-- stairwell: allow empty a later migration undoes its own part\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::judge;
    use super::super::levels::Levels;
    use super::super::traced::Traced;
    use super::*;

    /// What becomes of the newest of these migrations, each an up and a down script.
    fn mended(migrations: &[(&str, Option<&str>)]) -> Vec<Result<Rewritten, String>> {
        let folder = tempfile::tempdir().unwrap();
        for (n, (up, down)) in (1..).zip(migrations) {
            std::fs::write(folder.path().join(format!("{n}_a.up.sql")), up).unwrap();
            if let Some(down) = down {
                std::fs::write(folder.path().join(format!("{n}_a.down.sql")), down).unwrap();
            }
        }
        let inspection = stairwell::inspect(folder.path()).unwrap();
        let newest = inspection.set().head().unwrap().version;
        let judged = judge(&inspection, &Levels::default(), |it| it.version == newest, &Traced::new());
        judged.iter().map(|one| rewrite(one.migration, &one.fixes)).collect()
    }

    fn shown(rewritten: &Rewritten) -> String {
        let pair = |name: &str, up: &str, down: Option<&str>| {
            let down = down.unwrap_or("(no way back)\n");
            format!("== {name}.up\n{up}== {name}.down\n{down}")
        };
        let later = rewritten.later.iter().map(|later| pair(&later.name, &later.up, later.down.as_deref()));
        pair("itself", &rewritten.up, rewritten.down.as_deref()) + &later.collect::<String>()
    }

    #[test]
    fn what_blocks_nobody_stays_and_the_rest_goes_into_migrations_of_its_own() {
        let up = "-- For the shop.\nalter table users alter column name set not null;\n-- by name\n\
                  create index users_name on users (name);\nselect 1;\ndrop index users_old;\n\
                  alter table orders add constraint orders_user foreign key (user_id) references users;\n";
        let down = "alter table orders drop constraint orders_user;\ncreate index users_old on users (id);\n\
                    drop index if exists public.users_name;\nalter table users alter name drop not null;\n";
        let mended = mended(&[(up, Some(down))]);
        insta::assert_snapshot!(shown(mended[0].as_ref().unwrap()));
    }

    #[test]
    fn a_script_of_one_statement_stays_one_file_where_that_will_do() {
        let mended = mended(&[("create index i on users (name);\n", Some("drop index i;\n"))]);
        let mended = mended[0].as_ref().unwrap();
        assert_eq!(mended.up, "-- stairwell: no-transaction\ncreate index CONCURRENTLY i on users (name);\n");
        assert_eq!(mended.down.as_deref(), Some("-- stairwell: no-transaction\nDROP INDEX CONCURRENTLY i;\n"));
        assert_eq!(mended.later, []);
    }

    #[test]
    fn what_cannot_run_in_a_transaction_gets_a_migration_of_its_own() {
        let up = "alter table users add column a text;\ncreate index concurrently i on app.users (a);\ndrop index concurrently j;\n";
        let down = "create index concurrently j on users (b);\ndrop index concurrently app.i;\nalter table users drop column a;\n";
        let split = mended(&[(up, Some(&down.replace("app.i", "i")))]);
        insta::assert_snapshot!(shown(split[0].as_ref().unwrap()));
        let without = mended(&[("create index concurrently i on users (a);\n", Some("drop index i;\n"))]);
        let without = without[0].as_ref().unwrap();
        assert_eq!(without.up, "-- stairwell: no-transaction\ncreate index concurrently i on users (a);\n");
        assert_eq!(without.later, []);
        // One that stands alone already stays.
        let good = "-- stairwell: no-transaction\ncreate index concurrently i on users (a);\n";
        let good = mended(&[(good, Some("-- stairwell: no-transaction\ndrop index concurrently i;\n"))]);
        assert!(
            good.iter().all(|it| it
                .as_ref()
                .is_ok_and(|it| it.up.matches("no-transaction").count() == 1 && it.later.is_empty()))
        );
    }

    #[test]
    fn a_way_back_that_is_not_understood_is_left_to_a_person() {
        let up = "create index i on users (name);\nselect 1;\n";
        let error = mended(&[(up, Some("drop index if exists i, j;\n"))]).remove(0).unwrap_err();
        assert!(error.contains("1_a.down.sql does not undo it with a statement of its own, `drop index i`"), "{error}");
        let one_way = mended(&[(&format!("-- stairwell: irreversible it is old\n{up}"), None)]).remove(0).unwrap();
        assert!(one_way.later[0].up.starts_with("-- stairwell: irreversible it is old\n"), "{}", one_way.later[0].up);
    }

    #[test]
    fn words_are_compared_without_what_changes_nothing() {
        let pairs = [
            ("DROP INDEX CONCURRENTLY IF EXISTS public.i", "drop index i"),
            (
                "alter table only \"users\" alter column name drop not null;",
                "alter table users alter name drop not null",
            ),
            ("drop /* now */ index app . i -- x", "drop index app.i"),
        ];
        for (text, expected) in pairs {
            assert_eq!(plain(text), expected);
        }
    }
}
