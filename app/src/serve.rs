//! From the start to the end of a service.

use std::future::IntoFuture;
use std::process::ExitCode;
use std::time::Duration;

use stairwell::MigrationSet;
use stairwell::postgres::RunErrorKind;
use stairwell::startup::{Startup, StartupError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::cli::{Code, fail};
use crate::config::Config;
use crate::{PROGRAM, pool, routes};

/// How long requests that are under way may take after the service was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until it is told to stop.
pub(crate) fn run(config: Config, set: MigrationSet) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Code::Failed, &error),
    };
    let code = runtime.block_on(serve(config, set));
    // Names that are still being looked up are nobody's business any more.
    runtime.shutdown_background();
    code
}

async fn serve(config: Config, set: MigrationSet) -> ExitCode {
    let signal = match asked_to_stop() {
        Ok(signal) => signal,
        Err(error) => return fail(Code::Failed, &format!("cannot listen for signals: {error}")),
    };
    let listener = match TcpListener::bind(&config.listen).await {
        Ok(listener) => listener,
        Err(error) => return fail(Code::Usage, &format!("cannot listen on `{}`: {error}", config.listen)),
    };
    let address = listener.local_addr().map_or_else(|_| config.listen.clone(), |address| address.to_string());
    info!(version = env!("CARGO_PKG_VERSION"), %address, "Starting up …");
    let pool = match pool::of(&config.database, config.pool_size) {
        Ok(pool) => pool,
        Err(error) => return fail(Code::NoDatabase, &error),
    };
    let migrations = Startup::new(set)
        .policy(config.policy)
        .environment(config.environment.as_deref().unwrap_or_default())
        .retry(config.backoff)
        .patience(config.patience)
        .program(PROGRAM)
        .begin(&config.migrations);

    let (stop, stopped) = oneshot::channel::<()>();
    let service = routes::service(pool.clone(), migrations.clone());
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        // An end of the other side is as good as its word.
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());

    let told = async {
        let signal = signal.await;
        info!(signal, "Shutting down …");
    };
    tokio::pin!(told);
    let code = tokio::select! {
        started = migrations.started() => match started {
            Ok(()) => {
                info!("Serving requests");
                told.await;
                ExitCode::SUCCESS
            }
            Err(error) => code_of(&error).into(),
        },
        () = &mut told => ExitCode::SUCCESS,
    };

    migrations.shutdown();
    // Nobody listens any more where the server has ended by itself.
    let _ = stop.send(());
    match timeout(GRACE, server).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => error!("the server ended with an error: {error}"),
        Ok(Err(error)) => error!("the server ended early: {error}"),
        Err(_) => warn!("some requests were not done within {} s", GRACE.as_secs()),
    }
    pool.close();
    info!("Stopped");
    code
}

/// The exit code of a start that failed. The error has been logged.
fn code_of(error: &StartupError) -> Code {
    match error {
        StartupError::Run(error) if matches!(error.kind, RunErrorKind::Connect(_)) => Code::NoDatabase,
        StartupError::Run(error)
            if matches!(error.kind, RunErrorKind::Environment { .. } | RunErrorKind::Destructive(_)) =>
        {
            Code::Refused
        }
        _ => Code::Failed,
    }
}

/// Listens for the signals to stop from now on, before anything else is done: one that came unheard would end the process on the spot.
/// The future waits for one, and says which it was.
#[cfg(unix)]
fn asked_to_stop() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "interrupt",
            _ = terminate.recv() => "terminate",
        }
    })
}

#[cfg(not(unix))]
fn asked_to_stop() -> std::io::Result<impl Future<Output = &'static str>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "interrupt"
    })
}
