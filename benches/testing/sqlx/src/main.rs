//! `sqlx-test FOLDER COUNT`: what `#[sqlx::test]` expands to, so many times; prints after how many microseconds each test could ask its
//! database something.

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::testing::{TestArgs, TestFn};

static BEGAN: Mutex<Option<Instant>> = Mutex::new(None);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder");
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).expect("a count");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    // The attribute has them in the binary, read and checked.
    let migrator = runtime.block_on(Migrator::new(Path::new(&folder))).expect("migrations");
    let migrator: &'static Migrator = Box::leak(Box::new(migrator));
    for n in 0..count {
        *BEGAN.lock().unwrap() = Some(Instant::now());
        let test: fn(_) -> _ = test;
        let path = Box::leak(format!("bench::test_{n}").into_boxed_str());
        test.run_test(TestArgs { test_path: path, migrator: Some(migrator), fixtures: &[] });
    }
}

async fn test(pool: PgPool) {
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.expect("a database");
    assert_eq!(one, 1);
    println!("{}", BEGAN.lock().unwrap().expect("it began").elapsed().as_micros());
}
