//! What reads better as one statement.

use crate::schema::id::Id;
use crate::schema::kinds::Inline;
use crate::schema::statement::{Body, Element, Pass, Statement};

/// Writes something into the statement that makes what it belongs to.
pub(super) fn write_into(statements: &mut [Statement], id: &Id, inline: Inline) {
    for statement in statements {
        match (&mut statement.body, &inline) {
            (Body::CreateTable { elements, .. }, Inline::Element { text, .. }) => {
                elements.push(Element { id: id.clone(), text: text.clone() });
                return;
            }
            (Body::CreateTable { elements, .. }, Inline::Suffix { column, text }) => {
                if let Some(element) = elements.iter_mut().find(|element| element.id == *column) {
                    element.text.push(' ');
                    element.text.push_str(text);
                    return;
                }
            }
            (Body::AlterTable { clauses, .. }, Inline::Suffix { column, text }) => {
                if let Some(clause) =
                    clauses.iter_mut().find(|clause| clause.id == *column && clause.pass == Pass::AddColumn)
                {
                    clause.text.push(' ');
                    clause.text.push_str(text);
                    return;
                }
            }
            _ => {}
        }
    }
}

/// Joins neighbours that alter the same table: one lock, and one rewrite at most.
pub(super) fn neighbours(statements: Vec<Statement>) -> Vec<Statement> {
    let mut folded: Vec<Statement> = Vec::with_capacity(statements.len());
    for statement in statements {
        match folded.last_mut() {
            Some(last) if joins(last, &statement) => join(last, statement),
            _ => folded.push(statement),
        }
    }
    folded
}

fn joins(last: &Statement, next: &Statement) -> bool {
    let (Body::AlterTable { table, clauses }, Body::AlterTable { table: other, clauses: others }) =
        (&last.body, &next.body)
    else {
        return false;
    };
    let passes = || clauses.iter().chain(others).map(|clause| clause.pass);
    table == other
        && last.transactional
        && next.transactional
        && passes().is_sorted()
        && passes().all(|pass| pass != Pass::Alone)
}

fn join(last: &mut Statement, next: Statement) {
    if let (Body::AlterTable { clauses, .. }, Body::AlterTable { clauses: others, .. }) = (&mut last.body, next.body) {
        clauses.extend(others);
    }
    last.losses.extend(next.losses);
    match (last.note.as_mut(), next.note) {
        (Some(text), Some(more)) => text.extend(["\n", &more]),
        (None, Some(more)) => last.note = Some(more),
        _ => {}
    }
}
