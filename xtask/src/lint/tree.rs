//! Names and words of squawk's syntax tree.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxElement, SyntaxKind, SyntaxNode, SyntaxToken};

/// What stands in the node, without white space and comments.
pub(super) fn tokens(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> + use<> {
    let is_word = |token: &SyntaxToken| !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT);
    node.descendants_with_tokens().filter_map(SyntaxElement::into_token).filter(is_word)
}

/// A token as Postgres compares it: lower case, unless it is quoted.
fn folded(token: &SyntaxToken) -> String {
    let text = token.text();
    if text.starts_with(['"', '\'', '$']) { text.to_owned() } else { text.to_lowercase() }
}

/// The node's words with a space between them.
pub(super) fn words(node: &SyntaxNode) -> String {
    tokens(node).map(|token| folded(&token)).collect::<Vec<_>>().join(" ")
}

/// A name as the key under which its object is known: without quotes that change nothing, and without `public`, which is where most of them are.
pub(super) fn key(node: &SyntaxNode) -> String {
    let mut name = String::new();
    for token in tokens(node) {
        let folded = folded(&token);
        match folded.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
            Some(inner) => name.push_str(&inner.replace("\"\"", "\"")),
            None if folded == "only" || folded == "*" => {}
            None => name.push_str(&folded),
        }
    }
    name.strip_prefix("public.").map(str::to_owned).unwrap_or(name)
}

/// The table of `ALTER TABLE`.
pub(super) fn altered(alter: &ast::AlterTable) -> Option<SyntaxNode> {
    Some(alter.table_relation_name()?.table_name_ref()?.syntax().clone())
}

/// The names of a constraint's options are told apart by their type.
pub(super) fn is_not_valid(mut options: impl Iterator<Item = ast::ConstraintOption>) -> bool {
    options.any(|option| matches!(option, ast::ConstraintOption::NotValid(_)))
}

/// The name of the constraint that is added, where it has one.
pub(super) fn constraint_name(add: &ast::AddConstraint) -> Option<String> {
    let clause = add.syntax().descendants().find_map(ast::ConstraintNameClause::cast)?;
    Some(key(clause.constraint_name()?.syntax()))
}

/// Whether a type is a serial one.
pub(super) fn is_serial(ty: &str) -> bool {
    matches!(ty, "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8")
}
