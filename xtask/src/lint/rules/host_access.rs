//! `host-access`: a script reaches beyond the database.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "host-access",
    summary: "a script reaches beyond the database",
    level: Level::Deny,
    why: "COPY to and from files and programs, ALTER SYSTEM, lo_import and dblink do things on the server's machine or on other servers: they need a superuser, differ from one server to the next, and no ROLLBACK undoes them.",
    instead: "Do it outside of migrations.",
    check: Check::Ours(find),
    hazards: &[
        "copy users from '/tmp/users.csv';",
        "copy users to program 'gzip > /tmp/x';",
        "-- stairwell: no-transaction
alter system set work_mem = '1GB';",
        "select lo_import('/etc/passwd');",
        "select * from dblink('dbname=other', 'select 1') as t (i int);",
    ],
    safe: &["insert into kinds values (1, 'a');"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let reaches = match at.stmt {
        ast::Stmt::Copy(copy) => {
            let direction = copy.copy_direction().map(|it| words(it.syntax())).unwrap_or_default();
            direction.contains(" program ") || direction.contains(" '")
        }
        ast::Stmt::AlterSystem(_) | ast::Stmt::Load(_) => true,
        _ => false,
    };
    if reaches {
        found.push(Found::at(at.node(), RULE.summary));
        return;
    }
    for call in at.node().descendants().filter_map(ast::CallExpr::cast) {
        let name = call.expr().map(|expr| key(expr.syntax())).unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        if FUNCTIONS.contains(&name) || name.starts_with("dblink") {
            found.push(Found::at(call.syntax(), RULE.summary));
        }
    }
}

const FUNCTIONS: [&str; 8] = [
    "lo_import",
    "lo_export",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_file_write",
    "pg_reload_conf",
    "pg_terminate_backend",
];
