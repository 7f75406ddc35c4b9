//! The same for many values, on the machine's processors.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Below this, starting threads costs more than it saves.
const FEW: usize = 128;
/// More of them do not make reading a folder quicker.
const MOST_THREADS: usize = 8;
/// What a thread takes at a time. Small, so that one that is kept from its processor does not keep the others waiting.
const SHARE: usize = 32;

/// `work` for each of `items`, begun in their order. What it returns comes in any order.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    // To ask how many processors there are takes a dozen system calls.
    let processors = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = if items.len() < FEW { 1 } else { processors().min(MOST_THREADS) };
    if threads == 1 {
        return items.into_iter().map(work).collect();
    }
    let mut results = Vec::with_capacity(items.len());
    let queue = Mutex::new(items.into_iter());
    let take = || -> Vec<T> { queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(SHARE).collect() };
    let run = || {
        let shares = std::iter::repeat_with(take).take_while(|share| !share.is_empty());
        shares.flatten().map(&work).collect::<Vec<R>>()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        for thread in running {
            match thread.join() {
                Ok(share) => results.extend(share),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_done_once() {
        for count in [0, 1, FEW, 1_001] {
            let mut doubled = map((0..count).collect(), |n| n * 2);
            doubled.sort_unstable();
            assert_eq!(doubled, (0..count).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
