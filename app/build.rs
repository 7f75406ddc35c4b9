//! Refuses to build over broken migrations.

fn main() {
    stairwell::build::check("../migrations");
}
