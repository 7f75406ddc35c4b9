//! What the migrations before a statement have made, as far as the rules ask for it.

use std::collections::{HashMap, HashSet};

use squawk_syntax::ast::{self, AstNode};

use super::tree::{altered, is_not_valid, key, words};

/// Tables and indexes by their keys (see [`key`]).
#[derive(Debug, Default, Clone)]
pub(crate) struct World {
    tables: HashMap<String, Table>,
    indexes: HashMap<String, Index>,
}

/// A table.
#[derive(Debug, Default, Clone)]
pub(crate) struct Table {
    pub(crate) columns: HashMap<String, Column>,
    pub(crate) checks: HashMap<String, Check>,
    /// The tables that its foreign keys name, by the names of the constraints, as far as they have any.
    pub(crate) references: Vec<(Option<String>, String)>,
}

/// A column.
#[derive(Debug, Default, Clone)]
pub(crate) struct Column {
    /// Its type in lower case, with single spaces.
    pub(crate) ty: String,
    pub(crate) not_null: bool,
}

/// A check.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// Its condition in lower case, with single spaces.
    pub(crate) condition: String,
    pub(crate) valid: bool,
}

/// An index.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// The keys of its columns; expressions are left out.
    pub(crate) columns: Vec<String>,
}

impl World {
    pub(crate) fn table(&self, key: &str) -> Option<&Table> {
        self.tables.get(key)
    }

    pub(crate) fn index(&self, key: &str) -> Option<&Index> {
        self.indexes.get(key)
    }

    /// Whether a check that holds for all rows says that the column is not null.
    pub(crate) fn is_checked(&self, table: &str, column: &str) -> bool {
        let Some(table) = self.tables.get(table) else { return false };
        let says = |check: &&Check| {
            let condition = check.condition.trim_start_matches("( ").trim_end_matches(" )");
            condition.split(" and ").any(|part| {
                let part = part.trim_matches(|c| matches!(c, '(' | ')' | ' '));
                part.strip_suffix(" is not null").is_some_and(|name| name.trim_matches('"') == column)
            })
        };
        table.checks.values().filter(|check| check.valid).any(|check| says(&check))
    }

    /// What the statement does to it.
    pub(crate) fn apply(&mut self, stmt: &ast::Stmt) {
        match stmt {
            ast::Stmt::CreateTable(create) => self.create(create),
            ast::Stmt::AlterTable(alter) => self.alter(alter),
            ast::Stmt::CreateIndex(create) => self.create_index(create),
            ast::Stmt::DropTable(drop) => {
                for name in drop.table_name_refs() {
                    self.tables.remove(&key(name.syntax()));
                }
            }
            _ => {}
        }
    }

    fn create(&mut self, create: &ast::CreateTable) {
        let Some(name) = create.table_name() else { return };
        let mut table = Table::default();
        let arguments = create.table_arg_list();
        for argument in arguments.iter().flat_map(ast::TableArgList::args) {
            match argument {
                ast::TableArg::Column(column) => {
                    let Some(name) = column.name().map(|name| key(name.syntax())) else { continue };
                    let ty = column.ty().map(|ty| words(ty.syntax())).unwrap_or_default();
                    table.columns.insert(name.clone(), Column { ty, not_null: false });
                    for clause in column.clauses() {
                        if let ast::ColumnClause::ColumnConstraint(constraint) = clause {
                            table.column_constraint(&name, constraint.syntax());
                        }
                    }
                }
                ast::TableArg::TableConstraint(constraint) => table.constraint(constraint.syntax()),
                ast::TableArg::LikeClause(_) => {}
            }
        }
        self.tables.insert(key(name.syntax()), table);
    }

    fn create_index(&mut self, create: &ast::CreateIndex) {
        let Some(name) = create.index() else { return };
        let items = create.partition_item_list();
        let columns = items
            .iter()
            .flat_map(ast::PartitionItemList::partition_items)
            .filter_map(|item| match item.expr() {
                Some(ast::Expr::NameRef(name)) => Some(key(name.syntax())),
                _ => None,
            })
            .collect();
        self.indexes.insert(key(name.syntax()), Index { columns });
    }

    fn alter(&mut self, alter: &ast::AlterTable) {
        let Some(name) = altered(alter).map(|name| key(&name)) else { return };
        // A table that nobody has seen made is known by what is done to it.
        let mut table = self.tables.remove(&name).unwrap_or_default();
        let mut name = name;
        for action in alter.actions() {
            match action {
                ast::AlterTableAction::AddColumn(add) => {
                    let Some(column) = add.column_name().map(|name| key(name.syntax())) else { continue };
                    let ty = add.ty().map(|ty| words(ty.syntax())).unwrap_or_default();
                    table.columns.insert(column.clone(), Column { ty, not_null: false });
                    for constraint in add.constraints() {
                        table.column_constraint(&column, constraint.syntax());
                    }
                }
                ast::AlterTableAction::DropColumn(drop) => {
                    if let Some(column) = drop.column_name_ref() {
                        table.columns.remove(&key(column.syntax()));
                    }
                }
                ast::AlterTableAction::AddConstraint(add) => {
                    if let Some(constraint) = add.constraint() {
                        table.constraint(constraint.syntax());
                    }
                }
                ast::AlterTableAction::DropConstraint(drop) => {
                    if let Some(constraint) = drop.constraint_name_ref() {
                        let constraint = key(constraint.syntax());
                        table.checks.remove(&constraint);
                        table.references.retain(|(name, _)| name.as_ref() != Some(&constraint));
                    }
                }
                ast::AlterTableAction::ValidateConstraint(validate) => {
                    if let Some(constraint) = validate.constraint_name_ref()
                        && let Some(check) = table.checks.get_mut(&key(constraint.syntax()))
                    {
                        check.valid = true;
                    }
                }
                ast::AlterTableAction::AlterColumn(alter) => {
                    let Some(column) = alter.column_name_ref().map(|name| key(name.syntax())) else { continue };
                    let column = table.columns.entry(column).or_default();
                    match alter.option() {
                        Some(ast::AlterColumnOption::SetNotNull(_)) => column.not_null = true,
                        Some(ast::AlterColumnOption::DropNotNull(_)) => column.not_null = false,
                        Some(ast::AlterColumnOption::SetType(set)) => {
                            column.ty = set.ty().map(|ty| words(ty.syntax())).unwrap_or_default();
                        }
                        _ => {}
                    }
                }
                ast::AlterTableAction::RenameColumn(rename) => {
                    if let (Some(from), Some(to)) = (rename.column_name_ref(), rename.column_name())
                        && let Some(column) = table.columns.remove(&key(from.syntax()))
                    {
                        table.columns.insert(key(to.syntax()), column);
                    }
                }
                ast::AlterTableAction::TableRenameTo(rename) => {
                    if let Some(to) = rename.table_name() {
                        name = key(to.syntax());
                    }
                }
                _ => {}
            }
        }
        self.tables.insert(name, table);
    }
}

impl Table {
    fn column_constraint(&mut self, column: &str, constraint: &squawk_syntax::SyntaxNode) {
        if ast::NotNullConstraint::can_cast(constraint.kind()) || ast::PrimaryKeyConstraint::can_cast(constraint.kind())
        {
            self.columns.entry(column.to_owned()).or_default().not_null = true;
        } else if let Some(references) = ast::ReferencesConstraint::cast(constraint.clone()) {
            let name = references.constraint_name_clause().and_then(|clause| clause.constraint_name());
            if let Some(table) = references.table() {
                self.references.push((name.map(|name| key(name.syntax())), key(table.syntax())));
            }
        } else {
            self.constraint(constraint);
        }
    }

    fn constraint(&mut self, constraint: &squawk_syntax::SyntaxNode) {
        if let Some(primary) = ast::PrimaryKeyConstraint::cast(constraint.clone()) {
            let columns = primary.index_parameters().and_then(|parameters| parameters.column_list());
            for column in columns.iter().flat_map(ast::ConstraintColumnRefList::column_name_refs) {
                self.columns.entry(key(column.syntax())).or_default().not_null = true;
            }
        } else if let Some(foreign) = ast::ForeignKeyConstraint::cast(constraint.clone()) {
            let name = foreign.constraint_name_clause().and_then(|clause| clause.constraint_name());
            if let Some(table) = foreign.table_name_ref() {
                self.references.push((name.map(|name| key(name.syntax())), key(table.syntax())));
            }
        } else if let Some(check) = ast::CheckConstraint::cast(constraint.clone()) {
            let name = check.constraint_name_clause().and_then(|clause| clause.constraint_name());
            let name = name.map_or_else(|| format!("#{}", self.checks.len()), |name| key(name.syntax()));
            let condition = check.expr().map(|expr| words(expr.syntax())).unwrap_or_default();
            self.checks.insert(name, Check { condition, valid: !is_not_valid(check.constraint_options()) });
        } else if let Some(not_null) = ast::NotNullConstraint::cast(constraint.clone())
            && let Some(column) = not_null.column_name_ref()
        {
            let valid = !is_not_valid(not_null.constraint_options());
            self.columns.entry(key(column.syntax())).or_default().not_null |= valid;
        }
    }
}

/// What a script has made before a statement of its: nobody else sees it yet, so nobody waits for its locks, and it has no rows that were there
/// before.
#[derive(Debug, Default, Clone)]
pub(crate) struct Made {
    relations: HashSet<String>,
    types: HashSet<String>,
}

impl Made {
    pub(crate) fn has(&self, relation: &str) -> bool {
        self.relations.contains(relation) || relation.starts_with("pg_temp.")
    }

    pub(crate) fn has_type(&self, name: &str) -> bool {
        self.types.contains(name)
    }

    /// What the statement makes. With `IF NOT EXISTS` it is new unless `earlier` has it.
    pub(crate) fn apply(&mut self, stmt: &ast::Stmt, earlier: &World) {
        match stmt {
            ast::Stmt::CreateTable(create) => {
                let Some(name) = create.table_name().map(|name| key(name.syntax())) else { return };
                if create.if_not_exists().is_none() || earlier.table(&name).is_none() {
                    self.relations.insert(name);
                }
            }
            ast::Stmt::CreateTableAs(create) => self.relations.extend(create.table_name().map(|it| key(it.syntax()))),
            ast::Stmt::CreateMaterializedView(create) => {
                self.relations.extend(create.view().map(|it| key(it.syntax())));
            }
            ast::Stmt::CreateView(create) if create.or_replace().is_none() => {
                self.relations.extend(create.view().map(|it| key(it.syntax())));
            }
            ast::Stmt::CreateType(create) => self.types.extend(create.type_name().map(|it| key(it.syntax()))),
            ast::Stmt::CreateDomain(create) => self.types.extend(create.domain().map(|it| key(it.syntax()))),
            ast::Stmt::CreateIndex(create) => {
                // An index of a new table is as new as that.
                if let (Some(name), Some(table)) = (create.index(), create.table_relation_name())
                    && self.has(&key(table.syntax()))
                {
                    self.relations.insert(key(name.syntax()));
                }
            }
            ast::Stmt::AlterTable(alter) => {
                let Some(table) = altered(alter).map(|name| key(&name)) else { return };
                for action in alter.actions() {
                    match action {
                        ast::AlterTableAction::TableRenameTo(rename) if self.has(&table) => {
                            self.relations.extend(rename.table_name().map(|name| key(name.syntax())));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}
