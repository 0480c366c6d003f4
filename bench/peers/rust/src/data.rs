//! Maps of 100,000 ints under keys of 8 characters, the OR-set and the
//! counters: as in bench/bench_sizes.c, whose cases have these names.

use crate::measure::{heap, median, now, tell, timed};
use crdts::{CmRDT, CvRDT, Orswot, PNCounter};

const N: u64 = 100_000;
const NEWS: u64 = 1000;
const MOST: f64 = 60e9; // of filling a map
const OTHERS: u64 = 1 << 31; // keys that the other one writes

/// In no order, no two the same.
fn key(i: u64) -> String {
    let mask = 0xffff_ffff_u64;
    let i = i.wrapping_mul(0x9e3779b97f4a7c15) & mask;
    let i = (i ^ i >> 16).wrapping_mul(0xbf58476d1ce4e5b9) & mask;
    format!("{:08x}", i ^ i >> 16)
}

fn keys(from: u64, count: u64) -> Vec<String> {
    (from..from + count).map(key).collect()
}

/// A document with one map.
pub trait Map: Sized {
    type Version;
    fn new(author: u64) -> Self;
    /// Ints, without ending the commit or transaction.
    fn put(&mut self, keys: &[String]);
    /// The same as a commit or transaction of its own.
    fn commit(&mut self, keys: &[String]);
    fn len(&self) -> usize;
    fn version(&mut self) -> Self::Version;
    fn update(&mut self, since: Option<&Self::Version>) -> Vec<u8>;
    fn join(&mut self, update: &[u8]);
}

fn tell_each(name: &str, ns: f64, count: u64) {
    tell(&format!("map.{name}/100k"), ns / count as f64, "ns/op");
}

fn filled<M: Map>(author: u64, keys: &[String]) -> (f64, M) {
    let mut map = M::new(author);
    let begun = now();
    let (ns, ()) = timed(|| {
        for i in 0..keys.len() {
            map.commit(&keys[i..i + 1]);
            let is_time = i % 1000 == 0;
            assert!(!is_time || now() - begun < MOST, "it takes too long");
        }
    });
    assert!(map.len() == keys.len());
    (ns, map)
}

fn fill<M: Map>(keys: &[String]) -> M {
    let ns = median(|| filled::<M>(1, keys).0);
    tell_each("fill", ns, N);
    let before = heap();
    let map = filled::<M>(1, keys).1;
    let bytes = (heap() - before) as f64 / N as f64;
    tell("map.bytes_per_element/100k", bytes, "B/element");
    map
}

fn load<M: Map>(update: &[u8]) {
    let ns = median(|| {
        let mut to = M::new(2);
        let (ns, ()) = timed(|| to.join(update));
        assert!(to.len() == N as usize);
        ns
    });
    tell_each("load", ns, N);
}

fn merge<M: Map>(update: &[u8]) {
    let others = keys(OTHERS, N);
    let ns = median(|| {
        let mut to = filled::<M>(2, &others).1;
        let (ns, ()) = timed(|| to.join(update));
        assert!(to.len() == 2 * N as usize);
        ns
    });
    tell_each("merge", ns, N);
}

/// A thousand new keys for one who has all others.
fn known<M: Map>(from: &mut M, update: &[u8]) {
    let mut to = M::new(2);
    to.join(update);
    let (mut bytes, mut next) = (0, N);
    let ns = median(|| {
        let since = from.version();
        from.commit(&keys(next, NEWS));
        next += NEWS;
        let (ns, len) = timed(|| {
            let update = from.update(Some(&since));
            to.join(&update);
            update.len()
        });
        assert!(to.len() == next as usize);
        bytes = len;
        ns
    });
    tell_each("merge_known_vv", ns, NEWS);
    tell("map.known_vv_bytes/100k", bytes as f64, "B");
}

/// One new key, as an update of its own.
fn apply<M: Map>(from: &mut M) {
    let mut to = M::new(2);
    to.join(&from.update(None));
    let mut next = N * 2;
    let ns = median(|| {
        let updates: Vec<Vec<u8>> = keys(next, NEWS)
            .chunks(1)
            .map(|key| {
                let since = from.version();
                from.commit(key);
                from.update(Some(&since))
            })
            .collect();
        next += NEWS;
        let (ns, ()) = timed(|| updates.iter().for_each(|u| to.join(u)));
        assert!(to.len() == from.len());
        ns
    });
    tell_each("apply", ns, NEWS);
}

pub fn maps<M: Map>() {
    let mut from: M = fill(&keys(0, N));
    let update = from.update(None);
    load::<M>(&update);
    merge::<M>(&update);
    known(&mut from, &update);
    apply(&mut from);
}

// >> counters

pub fn counter(mut add: impl FnMut(), value: impl FnOnce() -> i64) {
    let mut runs = 0;
    let ns = median(|| {
        runs += 1;
        timed(|| (0..N).for_each(|_| add())).0
    });
    assert!(value() == runs * N as i64);
    tell("counter.add.one", ns / N as f64, "ns/op");
}

// >> crdts: states and ops in memory, which programs put into bytes as they
// like. No document, no commits, no digest.

type Set = Orswot<i64, u64>;

fn add(set: &mut Set, actor: u64, value: i64) -> crdts::orswot::Op<i64, u64> {
    let ctx = set.read_ctx().derive_add_ctx(actor);
    let op = set.add(value, ctx);
    set.apply(op.clone());
    op
}

fn set_of(actor: u64, from: u64) -> Set {
    let mut set = Set::new();
    for i in 0..N {
        add(&mut set, actor, (from + i) as i64);
    }
    set
}

fn set_fill() -> Set {
    let ns = median(|| timed(|| set_of(1, 0)).0);
    tell("aw_set.fill/100k", ns / N as f64, "ns/op");
    let before = heap();
    let set = set_of(1, 0);
    let bytes = (heap() - before) as f64 / N as f64;
    tell("aw_set.bytes_per_element/100k", bytes, "B/element");
    set
}

fn set_add_and_apply(from: &mut Set) {
    let mut to = from.clone();
    let mut next = N;
    let mut news = Vec::new();
    let ns = median(|| {
        let (ns, ops) = timed(|| {
            let each = |i: u64| add(from, 1, (next + i) as i64);
            (0..NEWS).map(each).collect::<Vec<_>>()
        });
        next += NEWS;
        news.push(ops);
        ns
    });
    tell("aw_set.add/100k", ns / NEWS as f64, "ns/op");
    let mut took: Vec<f64> = news
        .into_iter()
        .map(|ops| timed(|| ops.into_iter().for_each(|op| to.apply(op))).0)
        .collect();
    took.sort_by(f64::total_cmp);
    assert!(to == *from);
    let ns = took[took.len() / 2] / NEWS as f64;
    tell("aw_set.apply/100k", ns, "ns/op");
}

fn set_merge(from: &Set) {
    let mine = set_of(2, OTHERS);
    let ns = median(|| {
        let (mut mine, from) = (mine.clone(), from.clone());
        let (ns, ()) = timed(|| mine.merge(from));
        assert!(mine.read().val.len() == 2 * N as usize);
        ns
    });
    tell("aw_set.merge/100k", ns / N as f64, "ns/op");
}

pub fn crdts() {
    let mut set = set_fill();
    set_merge(&set);
    set_add_and_apply(&mut set);
    let of = std::cell::RefCell::new(PNCounter::<u64>::new());
    counter(
        || {
            let mut of = of.borrow_mut();
            let op = of.inc(1);
            of.apply(op);
        },
        || of.borrow().read().try_into().unwrap(),
    );
}
