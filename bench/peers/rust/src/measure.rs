//! Time of the processor, heap that is live, and lines of results.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        System.dealloc(at, layout)
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize)
        -> *mut u8 {
        LIVE.fetch_add(size, Relaxed);
        LIVE.fetch_sub(layout.size(), Relaxed);
        System.realloc(at, layout, size)
    }
}

pub fn heap() -> usize {
    LIVE.load(Relaxed)
}

/// Of the processor, not of the wall: what others run does not count.
pub fn now() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}

const RUNS: usize = 7;
const RUNS_FEW: usize = 3;
const ENOUGH: f64 = 1e9;
const TOO_MUCH: f64 = 4e9;

/// The median of what `run` takes, in ns: a first run to warm up and 7 that
/// count, fewer when they take long. `run` tells what of it counts.
pub fn median(mut run: impl FnMut() -> f64) -> f64 {
    let begun = now();
    let mut took = vec![run()];
    if now() - begun < ENOUGH {
        took.clear();
    }
    while took.len() < RUNS {
        let so_far = now() - begun;
        if (took.len() >= RUNS_FEW && so_far > ENOUGH)
            || (!took.is_empty() && so_far > TOO_MUCH)
        {
            break;
        }
        took.push(run());
    }
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

/// What a closure takes, in ns, and what it makes.
pub fn timed<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let begun = now();
    let made = run();
    (now() - begun, made)
}

pub fn tell(name: &str, value: f64, unit: &str) {
    println!("{{\"name\":\"{name}\",\"value\":{value:.6},\"unit\":\"{unit}\"}}");
}
