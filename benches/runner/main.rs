//! How fast migrations run, beside the floor: `psql` with the same SQL in one file and one transaction.
//!
//! `cargo bench --bench runner`, after `cargo build --release -p stairwell-xtask` for the row about `db up`. It makes a server with
//! the defaults of `initdb`, durability included (and `max_locks_per_transaction` for psql, see `server`); `BENCH_DATABASE_URL=postgresql://…/postgres` names another one, on which the
//! role may create databases and take checkpoints. `BENCH_ROUNDS` is how often each thing is measured (5), and
//! `BENCH_MOST` the largest number of migrations to run (10000; 1000 leaves out what takes longest). What is printed is the
//! median (and the least); both sides are processes, timed from start to end, in turn. Nothing here fails for being slow.

mod chain;
mod check;
mod child;
mod clock;
#[allow(clippy::unnecessary_wraps, reason = "the file is the tests'")]
#[path = "../../tests/it/harness/proxy.rs"]
mod proxy;
mod server;
mod speed;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use self::chain::Chain;
use self::clock::Samples;
use self::server::Server;
use self::table::Table;

/// What measuring needs.
struct Bench {
    server: Server,
    /// The folder of psql.
    bin: PathBuf,
    rounds: usize,
    /// The most migrations to run.
    most: usize,
}

impl Bench {
    /// psql, which reads no `~/.psqlrc`, for this database.
    fn psql(&self, url: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", url]);
        command
    }
}

/// What is measured for one thing.
#[derive(Debug, Default)]
struct Figures {
    wall: Samples,
    /// Of client and server together, where both can be asked: what a busy machine does not blur.
    processor: Samples,
}

impl Bench {
    /// Runs it, notes what it took, and gives what it printed.
    fn take(&self, command: &mut Command, figures: &mut Figures) -> Result<String, Box<dyn Error>> {
        let processor = || Some(self.server.processor()? + clock::of_children("self")?);
        clock::quiet();
        let before = processor();
        let taken = clock::timed(command)?;
        // A server's process ends a moment after its client has left.
        sleep(Duration::from_millis(200));
        figures.wall.add(taken.wall);
        if let Some((before, after)) = before.zip(processor()) {
            figures.processor.add(after.saturating_sub(before));
        }
        Ok(taken.said)
    }
}

fn main() -> ExitCode {
    child::main_or(measure)
}

fn measure() -> Result<(), Box<dyn Error>> {
    let (bin, started, pressure) = (server::binaries()?, Instant::now(), clock::pressure());
    let server = Server::find(&bin)?;
    let number = |name: &str, default: usize| {
        std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default).max(1)
    };
    let (rounds, most) = (number("BENCH_ROUNDS", 5), number("BENCH_MOST", 10_000));
    let bench = Bench { server, bin, rounds, most };
    print_conditions(&bench)?;
    let mut table = Table::default();
    // Removed after the table is printed: where a file system discards what it frees, that takes its time.
    let chains = [Chain::write(10)?, Chain::write(100)?, Chain::write(1_000)?, Chain::write(10_000)?];
    let [.., thousand, ten_thousand] = &chains;
    check::measure(&mut table, rounds, thousand, ten_thousand)?;
    speed::measure(&bench, &mut table, &chains)?;
    println!("{table}");
    if let (Some(before), Some(after)) = (pressure, clock::pressure()) {
        #[expect(clippy::cast_precision_loss, reason = "it is a share")]
        let share = (after - before) as f64 / started.elapsed().as_micros() as f64;
        println!("In {:.0} % of the time some task of this machine waited for a processor.", share * 100.0);
    }
    Ok(())
}

fn print_conditions(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let what = if bench.server.is_scratch() { "a server of this run's own" } else { "BENCH_DATABASE_URL" };
    print!("{what}: Postgres {}", bench.server.setting("server_version")?);
    for name in ["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "max_locks_per_transaction"] {
        print!(", {name} = {}", bench.server.setting(name)?);
    }
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("; {processors} processors; median (least) of {} rounds\n", bench.rounds);
    Ok(())
}
