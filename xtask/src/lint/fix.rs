//! How a statement is written so that nobody waits for it, where that needs no thought.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxElement, SyntaxNode, SyntaxToken};

use super::rule::At;
use super::tree::{altered, constraint_name, is_not_valid, key, tokens};

/// What takes the statement's place, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fix {
    pub(crate) pieces: Vec<Piece>,
}

/// A statement of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) place: Place,
    /// Without a semicolon.
    pub(crate) sql: String,
    pub(crate) undo: Undo,
}

/// Where a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the old one was.
    Here,
    /// Into a migration of its own, further on.
    Later,
    /// The same, outside of a transaction.
    Alone,
}

/// What undoes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undo {
    /// Nothing has to be undone.
    Nothing,
    /// What undoes the old one, as it is.
    AsBefore,
    /// This statement, instead of what undoes the old one: that begins with these words, see [`super::rewrite::plain`].
    Instead { of: String, sql: String },
    /// This statement, and what undoes the old one stays where it is.
    Also(String),
}

impl Fix {
    /// What a person would write, over how many migrations.
    pub(crate) fn help(&self) -> String {
        let mut text = String::new();
        for (n, piece) in self.pieces.iter().enumerate() {
            text.push_str(if n > 0 { "\n-- and then, in a migration of its own" } else { "" });
            text.push_str(if piece.place == Place::Alone { "\n-- stairwell: no-transaction\n" } else { "\n" });
            text.push_str(&piece.sql);
            text.push(';');
        }
        let how = match self.pieces.first().map(|piece| piece.place) {
            Some(Place::Here) => "write",
            Some(Place::Later) => "in a later migration of its own",
            Some(Place::Alone) | None => "in a migration of its own",
        };
        format!("{how} (`cargo xtask db lint --fix` does that):{text}")
    }
}

/// How what the rule of this name has found in the statement is mended.
pub(super) fn of(rule: &str, at: &At<'_>) -> Option<Fix> {
    let pieces = match (rule, at.stmt) {
        ("index-without-concurrently", ast::Stmt::CreateIndex(create)) => create_index(create)?,
        ("drop-index-without-concurrently", ast::Stmt::DropIndex(drop)) => drop_index(drop)?,
        // As it is, in a file of its own.
        ("concurrently-in-transaction", ast::Stmt::CreateIndex(create)) if create.concurrently_token().is_some() => {
            let name = text(create.index()?.syntax());
            let of = format!("drop index {}", key(create.index()?.syntax()));
            let undo = Undo::Instead { of, sql: format!("DROP INDEX CONCURRENTLY {}{name}", schema_of(create)?) };
            vec![alone(text(create.syntax()), undo)]
        }
        ("concurrently-in-transaction", ast::Stmt::DropIndex(drop)) if drop.concurrently_token().is_some() => {
            vec![alone(text(drop.syntax()), Undo::AsBefore)]
        }
        ("reindex-without-concurrently", ast::Stmt::Reindex(reindex)) => {
            let kind = tokens(reindex.syntax()).nth(1)?;
            vec![alone(with_words(reindex.syntax(), &kind, " CONCURRENTLY")?, Undo::Nothing)]
        }
        ("concurrently-if-not-exists", ast::Stmt::CreateIndex(create)) => {
            let without = without(create.syntax(), create.if_not_exists()?.syntax())?;
            vec![Piece { place: Place::Here, sql: without, undo: Undo::AsBefore }]
        }
        ("foreign-key-validates" | "check-validates", ast::Stmt::AlterTable(alter)) => not_valid(alter)?,
        ("validate-in-same-transaction", ast::Stmt::AlterTable(alter)) if alter.actions().count() == 1 => {
            vec![Piece { place: Place::Later, sql: text(alter.syntax()), undo: Undo::Nothing }]
        }
        ("set-not-null", ast::Stmt::AlterTable(alter)) => set_not_null(alter)?,
        ("unique-constraint", ast::Stmt::AlterTable(alter)) => unique(alter)?,
        _ => return None,
    };
    Some(Fix { pieces })
}

fn alone(sql: String, undo: Undo) -> Piece {
    Piece { place: Place::Alone, sql, undo }
}

fn create_index(create: &ast::CreateIndex) -> Option<Vec<Piece>> {
    let name = create.index()?;
    let index = tokens(create.syntax()).find(|token| token.text().eq_ignore_ascii_case("index"))?;
    // With IF NOT EXISTS an index that a failed run left invalid would pass for the one that is wanted.
    let mut sql = with_words(create.syntax(), &index, " CONCURRENTLY")?;
    if let Some(clause) = create.if_not_exists() {
        let clause = text(clause.syntax());
        sql = sql.replacen(&format!("{clause} "), "", 1);
    }
    let shown = format!("{}{}", schema_of(create)?, text(name.syntax()));
    let of = format!("drop index {}", key(name.syntax()));
    Some(vec![alone(sql, Undo::Instead { of, sql: format!("DROP INDEX CONCURRENTLY {shown}") })])
}

/// An index is in the schema of its table, and its own name does not say which: `app.`, or nothing.
fn schema_of(create: &ast::CreateIndex) -> Option<String> {
    let table = text(create.table_relation_name()?.syntax());
    let schema = table.rsplit_once('.').map_or_else(String::new, |(schema, _)| format!("{schema}."));
    Some(schema.trim_start_matches("only ").trim_start_matches("ONLY ").to_owned())
}

fn drop_index(drop: &ast::DropIndex) -> Option<Vec<Piece>> {
    if drop.drop_behavior().is_some_and(|behavior| text(behavior.syntax()).eq_ignore_ascii_case("cascade")) {
        return None;
    }
    let exists = if drop.if_exists().is_some() { "IF EXISTS " } else { "" };
    let names: Vec<String> = drop.index_refs().map(|name| text(name.syntax())).collect();
    // Each of several is dropped by itself, and which statement makes which is not to be told then.
    let [name] = names.as_slice() else { return None };
    Some(vec![alone(format!("DROP INDEX CONCURRENTLY {exists}{name}"), Undo::AsBefore)])
}

/// The constraint without looking at what is there, and the look later.
fn not_valid(alter: &ast::AlterTable) -> Option<Vec<Piece>> {
    let table = text(&altered(alter)?);
    let mut here = text(alter.syntax());
    let start = usize::from(first(alter.syntax())?.text_range().start());
    let (mut later, mut ends) = (Vec::new(), Vec::new());
    for action in alter.actions() {
        let ast::AlterTableAction::AddConstraint(add) = action else { continue };
        let (node, validates) = match add.constraint()? {
            ast::Constraint::ForeignKeyConstraint(it) => (it.syntax().clone(), !is_not_valid(it.constraint_options())),
            ast::Constraint::CheckConstraint(it) => (it.syntax().clone(), !is_not_valid(it.constraint_options())),
            _ => continue,
        };
        if validates {
            // One without a name is called by one that the server finds.
            let name = constraint_name(&add)?;
            ends.push(usize::from(tokens(&node).last()?.text_range().end()) - start);
            let (name, definition) = (quoted(&name), text(&node));
            later.push(Piece {
                place: Place::Later,
                sql: format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"),
                // There is no other way to make it one that nobody has looked at.
                undo: Undo::Also(format!(
                    "ALTER TABLE {table} DROP CONSTRAINT {name}, ADD {} NOT VALID",
                    definition.trim_start_matches("add ").trim_start_matches("ADD ")
                )),
            });
        }
    }
    for end in ends.into_iter().rev() {
        here.insert_str(end, " NOT VALID");
    }
    if later.is_empty() {
        return None;
    }
    later.insert(0, Piece { place: Place::Here, sql: here, undo: Undo::AsBefore });
    Some(later)
}

/// A check that can be proved without a lock says it first.
fn set_not_null(alter: &ast::AlterTable) -> Option<Vec<Piece>> {
    let mut actions = alter.actions();
    let (Some(ast::AlterTableAction::AlterColumn(action)), None) = (actions.next(), actions.next()) else {
        return None;
    };
    let Some(ast::AlterColumnOption::SetNotNull(_)) = action.option() else { return None };
    let (table, column) = (altered(alter)?, action.column_name_ref()?);
    let (shown, of_table, of_column) = (text(&table), key(&table), key(column.syntax()));
    let column = text(column.syntax());
    let name = format!("{}_{of_column}_not_null", of_table.rsplit('.').next().unwrap_or(&of_table));
    if name.len() > 63 {
        return None;
    }
    let name = quoted(&name);
    let check = format!("ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL)");
    Some(vec![
        Piece {
            place: Place::Here,
            sql: format!("ALTER TABLE {shown} {check} NOT VALID"),
            undo: Undo::Instead {
                of: format!("alter table {of_table} alter {of_column} drop not null"),
                sql: format!("ALTER TABLE {shown} DROP CONSTRAINT {name}"),
            },
        },
        Piece {
            place: Place::Later,
            sql: format!("ALTER TABLE {shown} VALIDATE CONSTRAINT {name}"),
            undo: Undo::Also(format!("ALTER TABLE {shown} DROP CONSTRAINT {name}, {check} NOT VALID")),
        },
        Piece {
            place: Place::Later,
            sql: format!("ALTER TABLE {shown} ALTER COLUMN {column} SET NOT NULL, DROP CONSTRAINT {name}"),
            undo: Undo::Also(format!("ALTER TABLE {shown} ALTER COLUMN {column} DROP NOT NULL, {check}")),
        },
    ])
}

/// The index first, and then the constraint of it.
fn unique(alter: &ast::AlterTable) -> Option<Vec<Piece>> {
    let mut actions = alter.actions();
    let (Some(ast::AlterTableAction::AddConstraint(add)), None) = (actions.next(), actions.next()) else { return None };
    let Some(ast::Constraint::UniqueConstraint(unique)) = add.constraint() else { return None };
    let name = constraint_name(&add)?;
    let columns = unique.index_parameters()?;
    // What else it may say (INCLUDE, DEFERRABLE, NULLS NOT DISTINCT) stands elsewhere in CREATE INDEX.
    let is_plain = unique.constraint_options().next().is_none()
        && tokens(unique.syntax()).last()? == tokens(columns.syntax()).last()?
        && text(columns.syntax()).matches(')').count() == 1
        && !super::tree::words(unique.syntax()).contains(" nulls ");
    if !is_plain {
        return None;
    }
    let (table, columns) = (altered(alter)?, text(columns.syntax()));
    let shown = text(&table);
    let schema = shown.rsplit_once('.').map_or_else(String::new, |(schema, _)| format!("{schema}."));
    let (of, name) = (format!("alter table {} drop constraint {name}", key(&table)), quoted(&name));
    Some(vec![
        alone(
            format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {shown} {columns}"),
            Undo::Instead { of, sql: format!("DROP INDEX CONCURRENTLY {schema}{name}") },
        ),
        Piece {
            place: Place::Later,
            sql: format!("ALTER TABLE {shown} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}"),
            // The constraint takes the index with it when it goes.
            undo: Undo::Also(format!(
                "ALTER TABLE {shown} DROP CONSTRAINT {name};\nCREATE UNIQUE INDEX {name} ON {shown} {columns}"
            )),
        },
    ])
}

fn first(node: &SyntaxNode) -> Option<SyntaxToken> {
    tokens(node).next()
}

/// The node as it is written, without a semicolon and what stands around it.
fn text(node: &SyntaxNode) -> String {
    let mut text = String::new();
    let start = first(node).map(|token| token.text_range().start());
    for token in node.descendants_with_tokens().filter_map(SyntaxElement::into_token) {
        if start.is_some_and(|start| token.text_range().start() >= start) {
            text.push_str(token.text());
        }
    }
    text.trim_end().trim_end_matches(';').trim_end().to_owned()
}

/// The statement with words behind a token.
fn with_words(node: &SyntaxNode, token: &SyntaxToken, words: &str) -> Option<String> {
    let start = first(node)?.text_range().start();
    let mut text = text(node);
    let at = usize::from(token.text_range().end() - start);
    text.is_char_boundary(at).then(|| text.insert_str(at, words))?;
    Some(text)
}

/// The statement without a part of it, and the space behind that.
fn without(node: &SyntaxNode, part: &SyntaxNode) -> Option<String> {
    let start = first(node)?.text_range().start();
    let mut text = text(node);
    let (from, to) = (first(part)?.text_range().start() - start, tokens(part).last()?.text_range().end() - start);
    let rest = text.get(usize::from(to)..)?;
    let to = usize::from(to) + rest.len() - rest.trim_start().len();
    text.replace_range(usize::from(from)..to, "");
    Some(text)
}

/// A name as it may be written: with quotes if it needs them.
fn quoted(name: &str) -> String {
    let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    // A key word in quotes is the same name, so what looks like one may have them.
    if is_plain && name.contains('_') { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{Job, run};
    use super::super::rule::Level;

    /// What is offered for a statement of a script in a transaction.
    fn help(text: &str) -> String {
        let job = Job { text, in_transaction: true, is_history: false };
        let looked = run(&[job], |rule| if rule.level == Level::Deny { Level::Deny } else { Level::Off });
        let fixes = looked[0].findings.iter().map(|finding| finding.fix.as_ref().map(super::Fix::help));
        fixes.map(|help| help.unwrap_or_else(|| "(left to a person)".to_owned())).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_offered_has_the_names_of_the_statement() {
        let statements = [
            "create unique index if not exists \"Users_email\" on app.users (lower(email)) where email <> ''",
            "create index on users (email)",
            "drop index if exists app.users_email",
            "drop index a, b",
            "drop index a cascade",
            "reindex table users",
            "create index concurrently if not exists users_email on users (email)",
            "alter table users add constraint age check (age > 0), add foreign key (a) references b",
            "alter table app.orders add constraint orders_user foreign key (user_id) references users deferrable",
            "alter table only users alter column \"Name\" set not null",
            "alter table users alter a set not null, alter b set not null",
            "alter table users add constraint users_email_key unique (email)",
            "alter table users add constraint users_email_key unique (email) include (name)",
            "alter table users add constraint users_email_key unique (email) deferrable",
            "alter table users add constraint users_email_key unique nulls not distinct (email)",
        ];
        let all: Vec<String> =
            statements.iter().map(|text| format!("{text};\n→ {}", help(&format!("{text};")))).collect();
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
