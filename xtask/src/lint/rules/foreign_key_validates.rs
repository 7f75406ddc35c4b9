//! `foreign-key-validates`: a foreign key reads all rows while nobody can write to either table.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-validates",
    summary: "a foreign key reads all rows while nobody can write to either table",
    level: Level::Deny,
    why: "ADD FOREIGN KEY takes a SHARE ROW EXCLUSIVE lock on both tables and keeps it while every row is looked up.",
    instead:
        "Add it NOT VALID, which holds for new rows at once, and validate it in a later migration, which blocks nobody:
ALTER TABLE orders ADD CONSTRAINT orders_user_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;
-- and then
ALTER TABLE orders VALIDATE CONSTRAINT orders_user_fkey;",
    check: Check::Squawk(&[Sq::AddingForeignKeyConstraint], on_an_old_table),
    hazards: &[
        "alter table orders add constraint orders_user_fkey foreign key (user_id) references users (id);",
        "alter table orders add column user_id bigint references users (id);",
        "alter table orders add foreign key (a, b) references users on delete cascade;",
    ],
    safe: &[
        "alter table orders add constraint orders_user_fkey foreign key (user_id) references users (id) not valid;",
        "alter table orders validate constraint orders_user_fkey;",
        "create table users (id int8 primary key); create table orders (i int8 primary key); alter table orders add column user_id int8 references users;",
    ],
};
