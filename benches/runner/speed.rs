//! What runs against the server.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::chain::Chain;
use crate::child::{self, Job};
use crate::clock::{milliseconds, timed};
use crate::proxy::{Counts, Proxy, Upstream};
use crate::table::{Bar, Row, Table};
use crate::{Bench, Figures};

const OURS: &str = "stairwell_bench_ours";
const FLOOR: &str = "stairwell_bench_floor";

/// What a run of many migrations took.
struct Up<'a> {
    chain: &'a Chain,
    time: Duration,
    /// KiB by which the process grew; none where the system does not tell.
    memory: Option<i64>,
}

pub(crate) fn measure(bench: &Bench, table: &mut Table, chains: &[Chain; 4]) -> Result<(), Box<dyn Error>> {
    let mut ups = Vec::new();
    let [ten, hundred, thousand, ten_thousand] = chains;
    for chain in [ten, hundred, thousand] {
        ups.push(up_and_down(bench, table, chain)?);
    }
    latency(bench, table, thousand)?;
    nothing_pending(bench, table, ten)?;
    nothing_pending(bench, table, thousand)?;
    if bench.most >= 10_000 {
        ups.push(up_ten_thousand(bench, table, ten_thousand)?);
    } else {
        eprintln!("10,000 migrations: left out, as BENCH_MOST says");
    }
    growth(table, &ups);
    memory(table, &ups);
    if bench.server.is_scratch() {
        return Ok(());
    }
    bench.server.drop(OURS)?;
    bench.server.drop(FLOOR)
}

fn floor(bench: &Bench, file: &Path, url: &str) -> Command {
    let mut command = bench.psql(url);
    command.arg("-1").arg("-f").arg(file);
    command
}

/// Up and down again, ours and psql's in turn.
fn up_and_down<'a>(bench: &Bench, table: &mut Table, chain: &'a Chain) -> Result<Up<'a>, Box<dyn Error>> {
    let (mut ours, mut floors) = (<[Figures; 2]>::default(), <[Figures; 2]>::default());
    let mut memory = Vec::new();
    for round in 0..bench.rounds {
        let (url, floor_url) = (bench.server.create(OURS)?, bench.server.create(FLOOR)?);
        for (way, (job, file)) in [(Job::Up, chain.all()), (Job::Down, chain.back())].into_iter().enumerate() {
            // Whoever is first in one round is second in the next.
            for turn in [round % 2, (round + 1) % 2] {
                if turn == 0 {
                    let said = bench.take(&mut child::command(job, &chain.migrations(), &url)?, &mut ours[way])?;
                    memory.extend(said.trim().parse::<i64>().ok().filter(|_| way == 0));
                } else {
                    bench.take(&mut floor(bench, &file, &floor_url), &mut floors[way])?;
                }
            }
        }
    }
    memory.sort_unstable();
    for (way, what) in ["up", "down"].into_iter().enumerate() {
        let what = format!("{what}, {} migrations; floor: psql -1 -f", chain.count);
        let bar = if chain.count == 1_000 { Bar::Ratio(1.0) } else { Bar::None };
        table.add(compared(what, &floors[way], &ours[way], bar));
    }
    let time = ours[0].wall.median();
    Ok(Up { chain, time, memory: memory.get(memory.len() / 2).copied() })
}

/// Once each.
fn up_ten_thousand<'a>(bench: &Bench, table: &mut Table, chain: &'a Chain) -> Result<Up<'a>, Box<dyn Error>> {
    let (mut ours, mut floors) = (Figures::default(), Figures::default());
    let floor_url = bench.server.create(FLOOR)?;
    bench.take(&mut floor(bench, &chain.all(), &floor_url), &mut floors)?;
    let url = bench.server.create(OURS)?;
    let said = bench.take(&mut child::command(Job::Up, &chain.migrations(), &url)?, &mut ours)?;
    table.add(compared("up, 10000 migrations, once; floor: psql -1 -f".to_owned(), &floors, &ours, Bar::None));
    Ok(Up { chain, time: ours.wall.median(), memory: said.trim().parse().ok() })
}

fn compared(what: String, floor: &Figures, ours: &Figures, bar: Bar) -> Row {
    Row {
        what,
        floor: floor.wall.text(),
        ours: ours.wall.text(),
        ratio: Some(ours.wall.over(&floor.wall)),
        processor: (!floor.processor.is_empty()).then(|| ours.processor.over(&floor.processor)),
        bar,
    }
}

/// How cost grows: the time for one more migration, between each number of them and the next.
fn growth(table: &mut Table, ups: &[Up<'_>]) {
    let slope = |few: &Up<'_>, many: &Up<'_>| {
        let more = u32::try_from(many.chain.count - few.chain.count).unwrap_or(u32::MAX);
        many.time.saturating_sub(few.time) / more
    };
    for pair in ups.windows(2) {
        table.add(Row {
            what: format!("up, time for one more migration from {} to {}", pair[0].chain.count, pair[1].chain.count),
            ours: milliseconds(slope(&pair[0], &pair[1])),
            ..Row::default()
        });
    }
}

/// By how many bytes the process grew for each migration, beyond those of its text.
fn memory(table: &mut Table, ups: &[Up<'_>]) {
    let known: Vec<(&Chain, i64)> = ups.iter().filter_map(|up| Some((up.chain, up.memory? * 1024))).collect();
    if known.len() != ups.len() {
        eprintln!("memory: left out, this system has no /proc/self/status");
        return;
    }
    for (chain, bytes) in &known {
        table.add(Row {
            what: format!("memory that `up` of {} takes, in KiB; floor: their text", chain.count),
            floor: (chain.bytes / 1024).to_string(),
            ours: (bytes / 1024).to_string(),
            ..Row::default()
        });
    }
    let beyond = |pair: &[(&Chain, i64)]| -> f64 {
        let (few, many) = (pair[0], pair[1]);
        let text = i64::try_from(many.0.bytes - few.0.bytes).unwrap_or(i64::MAX);
        let more = i64::try_from(many.0.count - few.0.count).unwrap_or(i64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "a few bytes of many do not matter")]
        let each = (many.1 - few.1 - text) as f64 / more as f64;
        each
    };
    let each: Vec<f64> = known.windows(2).map(beyond).collect();
    if let [.., before, last] = each.as_slice() {
        table.add(Row {
            what: "bytes of memory for one more migration beyond its text, at the end; floor: a step before".to_owned(),
            floor: format!("{before:.0}"),
            ours: format!("{last:.0}"),
            ratio: Some(last / before),
            bar: Bar::Words("flat (≤ 1.2 ×)", *last <= before * 1.2),
            ..Row::default()
        });
    }
}

/// 2 ms more in each direction.
fn latency(bench: &Bench, table: &mut Table, chain: &Chain) -> Result<(), Box<dyn Error>> {
    let (host, port) = bench.server.address()?;
    let proxy = Proxy::before(Upstream::Tcp(host, port)).delay(Duration::from_millis(2)).start()?;
    let (mut near, mut far, mut most) = (Figures::default(), Figures::default(), 0);
    for round in 0..bench.rounds {
        for turn in [round % 2, (round + 1) % 2] {
            let url = bench.server.create(OURS)?;
            if turn == 0 {
                bench.take(&mut child::command(Job::Up, &chain.migrations(), &url)?, &mut near)?;
            } else {
                let url = bench.server.url_at(OURS, proxy.port())?;
                proxy.reset();
                bench.take(&mut child::command(Job::Up, &chain.migrations(), &url)?, &mut far)?;
                most = most.max(proxy.counts().round_trips);
            }
        }
    }
    let what = format!("up, {} migrations, 2 ms of latency one way; floor: without", chain.count);
    table.add(compared(what, &near, &far, Bar::Ratio(1.2)));
    let per_twenty = f64::from(u32::try_from(most)?) * 20.0 / f64::from(u32::try_from(chain.count)?);
    table.add(Row {
        what: "the same: round trips after connecting; ratio: for 20 migrations".to_owned(),
        ours: most.to_string(),
        ratio: Some(per_twenty),
        bar: Bar::Ratio(1.0),
        ..Row::default()
    });
    Ok(())
}

/// Everything is applied already.
fn nothing_pending(bench: &Bench, table: &mut Table, chain: &Chain) -> Result<(), Box<dyn Error>> {
    let url = bench.server.create(OURS)?;
    timed(&mut child::command(Job::Up, &chain.migrations(), &url)?)?;
    let (host, port) = bench.server.address()?;
    let proxy = Proxy::before(Upstream::Tcp(host, port)).start()?;
    timed(&mut child::command(Job::Up, &chain.migrations(), &bench.server.url_at(OURS, proxy.port())?)?)?;
    let Counts { connections, round_trips, .. } = proxy.counts();
    table.add(Row {
        what: format!("up, nothing pending, {} applied: round trips after connecting", chain.count),
        ours: format!("{round_trips} ({connections} connection)"),
        bar: Bar::Words("1", round_trips == 1 && connections == 1),
        ..Row::default()
    });
    let xtask = xtask();
    if xtask.is_none() {
        eprintln!(
            "`db up`: left out, there is no xtask; `cargo build --release -p stairwell-xtask`, or name it in XTASK"
        );
    }
    let (mut library, mut command, mut floor) = (Figures::default(), Figures::default(), Figures::default());
    for _ in 0..bench.rounds * 3 {
        bench.take(bench.psql(&url).args(["-c", "select 1"]), &mut floor)?;
        bench.take(&mut child::command(Job::Up, &chain.migrations(), &url)?, &mut library)?;
        if let Some(xtask) = &xtask {
            let arguments = ["db", "up", "--database-url", &url];
            bench.take(Command::new(xtask).args(arguments).current_dir(chain.root()), &mut command)?;
        }
    }
    let what = |what: &str| format!("{what}, nothing pending, {} applied; floor: psql -c 'select 1'", chain.count);
    // Of a few hundredths of a second, hundredths are too coarse a measure.
    let row =
        |words: &str, figures: &Figures, bar| Row { processor: None, ..compared(what(words), &floor, figures, bar) };
    table.add(row("up", &library, Bar::None));
    if xtask.is_some() {
        table.add(row("xtask db up", &command, Bar::Ratio(2.0)));
    }
    Ok(())
}

/// The release build of xtask, beside the folder in which this program was built.
fn xtask() -> Option<PathBuf> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("xtask"));
    std::env::var_os("XTASK").map(PathBuf::from).or_else(beside).filter(|path| path.is_file())
}
