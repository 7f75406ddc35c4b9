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

/// `work` for each of `items`; what it returns comes in their order. `beside` is done meanwhile.
pub(crate) fn map<T: Send, R: Send, B>(
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
    beside: impl FnOnce() -> B,
) -> (Vec<R>, B) {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS);
    if items.len() < FEW || threads == 1 {
        return (items.into_iter().map(work).collect(), beside());
    }
    let mut results: Vec<(usize, R)> = Vec::with_capacity(items.len());
    let queue = Mutex::new(items.into_iter().enumerate());
    let take =
        || -> Vec<(usize, T)> { queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(SHARE).collect() };
    let run = || {
        let shares = std::iter::repeat_with(take).take_while(|share| !share.is_empty());
        shares.flatten().map(|(place, item)| (place, work(item))).collect::<Vec<_>>()
    };
    let done = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let done = beside();
        for thread in running {
            match thread.join() {
                Ok(share) => results.extend(share),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    results.sort_unstable_by_key(|(place, _)| *place);
    (results.into_iter().map(|(_, result)| result).collect(), done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for count in [0, 1, FEW, 1_001] {
            let doubled: Vec<usize> = (0..count).map(|n| n * 2).collect();
            assert_eq!(map((0..count).collect(), |n| n * 2, || "done"), (doubled, "done"));
        }
    }
}
