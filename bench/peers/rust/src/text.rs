//! The text cases, for any engine that can do what `Text` asks for.

use crate::measure::{heap, median, now, tell, timed};
use crate::trace::{Edit, Trace};
use flate2::{write::GzEncoder, Compression};
use std::collections::HashMap;
use std::io::Write;

/// What making the documents of a history may take, once.
const PLAY_MOST: f64 = 60e9;

/// The id of who only reads; no author's.
const LAST: u64 = 1 << 40;

/// A document with one text.
pub trait Text: Sized {
    /// What has been seen, as the engine says it.
    type Version;
    /// Which history a saved document has: `full`, all that was ever typed,
    /// or `saved`, without what was deleted.
    const SAVES: &'static str;

    /// A document of author number `author`, from 1.
    fn new(author: u64) -> Self;
    /// One call per edit, one commit, transaction or change for all.
    fn edit(&mut self, edits: &[Edit]);
    /// What `edit` adds, as it goes to others at once, in the way that the
    /// engine has for this.
    fn stroke(&mut self, edits: &[Edit]) -> Vec<u8>;
    fn version(&mut self) -> Self::Version;
    /// What was done since, or everything.
    fn update(&mut self, since: Option<&Self::Version>) -> Vec<u8>;
    fn join(&mut self, update: &[u8]);
    /// As many at once as the engine can take.
    fn join_all(&mut self, updates: &[&[u8]]) {
        updates.iter().for_each(|update| self.join(update));
    }
    fn save(&mut self) -> Vec<u8>;
    fn open(bytes: &[u8]) -> Self;
    /// The same text without its history, where there is such a thing.
    fn forget(&mut self) -> Option<Vec<u8>> {
        None
    }
    /// The history, by an engine that writes at any version in one document.
    fn play(_: &Trace) -> Option<Self> {
        None
    }
    fn len(&self) -> usize;
    fn text(&self) -> String;
}

fn check<T: Text>(doc: &T, text: &str) {
    assert!(doc.text() == text, "not the text that it should be");
}

/// Author 1 has written what the trace begins with.
fn begin<T: Text>(trace: &Trace) -> T {
    let mut doc = T::new(1);
    if !trace.start.is_empty() {
        doc.edit(&[Edit { at: 0, deleted: 0, inserted: trace.start }]);
    }
    doc
}

fn gzipped(bytes: &[u8]) -> f64 {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap().len() as f64
}

/// All edits in one document, which joined nothing.
fn local<T: Text>(trace: &Trace) {
    let edits = &trace.txns[0].edits;
    let ns = median(|| {
        let mut doc: T = begin(trace);
        let (ns, ()) = timed(|| doc.edit(edits));
        check(&doc, trace.end);
        ns
    });
    let name = format!("text.local/{}", trace.name);
    tell(&name, ns / edits.len() as f64, "ns/op");
}

/// Each edit is made, committed, taken out and joined by a second document.
/// An engine that has not done them all in 10 s does as many as it can.
fn keystrokes<T: Text>(trace: &Trace) {
    const MOST: f64 = 10e9;
    let edits = &trace.txns[0].edits;
    let (mut bytes, mut done) = (0, 0);
    let ns = median(|| {
        let (mut from, mut to): (T, T) = (begin(trace), T::new(2));
        to.join(&from.update(None));
        (bytes, done) = (0, 0);
        let mut ns = 0.0;
        for some in edits.chunks(1000) {
            ns += timed(|| {
                for i in 0..some.len() {
                    let update = from.stroke(&some[i..i + 1]);
                    to.join(&update);
                    bytes += update.len();
                }
            }).0;
            done += some.len();
            if ns > MOST {
                break;
            }
        }
        if done == edits.len() {
            check(&to, trace.end);
        }
        ns / done as f64
    });
    let name = &trace.name;
    tell(&format!("text.remote_keystrokes/{name}"), ns, "ns/op");
    if bytes > 0 {
        let each = bytes as f64 / done as f64;
        tell(&format!("text.keystroke_bytes/{name}"), each, "B/element");
    }
}

/// The last hundredth, for one who has all before it.
fn catch_up<T: Text>(trace: &Trace) {
    let edits = &trace.txns[0].edits;
    let (known, news) = edits.split_at(edits.len() - edits.len() / 100);
    let mut from: T = begin(trace);
    from.edit(known);
    let saved = from.save();
    let since = from.version();
    from.edit(news);
    let mut bytes = 0;
    let ns = median(|| {
        let mut to = T::open(&saved);
        let (ns, len) = timed(|| {
            let update = from.update(Some(&since));
            to.join(&update);
            update.len()
        });
        bytes = len;
        check(&to, trace.end);
        ns
    });
    let name = &trace.name;
    tell(&format!("text.catch_up/{name}"), ns / 1e6, "ms/op");
    if bytes > 0 {
        tell(&format!("text.catch_up_bytes/{name}"), bytes as f64, "B");
    }
}

/// The document that has seen everything, and the updates that say so.
struct Whole {
    updates: Vec<Vec<u8>>,
    saved: Vec<u8>,
    forgotten: Option<Vec<u8>>,
    text: String,
}

fn whole_of<T: Text>(mut doc: T, updates: Vec<Vec<u8>>) -> Whole {
    let (saved, forgotten) = (doc.save(), doc.forget());
    Whole { updates, saved, forgotten, text: doc.text() }
}

fn play_sequence<T: Text>(trace: &Trace) -> Whole {
    let mut doc: T = begin(trace);
    doc.edit(&trace.txns[0].edits);
    check(&doc, trace.end);
    let update = doc.update(None);
    whole_of(doc, vec![update])
}

/// Edits that stay within a text of that length.
fn bounded(edits: &[Edit], mut len: usize) -> Vec<Edit> {
    let mut out = Vec::new();
    for e in edits {
        let at = e.at.min(len);
        let deleted = e.deleted.min(len - at);
        len = len + e.inserted.len() - deleted;
        out.push(Edit { at, deleted, inserted: e.inserted });
    }
    out
}

/// Every txn in its author's document, after that has joined what the author
/// had seen. Documents go when nothing more is written in them. An engine that
/// puts what is concurrent in another order than the recording had makes
/// another text of it, in which a few edits would be beyond the end.
fn play_history<T: Text>(trace: &Trace) -> Whole {
    let begun = now();
    let txns = &trace.txns;
    if let Some(mut doc) = T::play(trace) {
        let update = doc.update(None);
        return whole_of(doc, vec![update]);
    }
    let count = txns.iter().map(|t| t.doc + 1).max().unwrap_or(0);
    let mut last = vec![0; count];
    for (i, txn) in txns.iter().enumerate() {
        last[txn.doc] = i;
    }
    let mut docs: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let mut bases: HashMap<usize, Vec<u8>> = txns.iter()
        .filter_map(|txn| Some((txn.base?, Vec::new())))
        .collect();
    let mut news: Vec<Vec<u8>> = Vec::new();
    for (i, txn) in txns.iter().enumerate() {
        let new = || {
            let mut doc = T::new(txn.id + 1);
            txn.base.iter().for_each(|base| doc.join(&bases[base]));
            doc
        };
        let mut doc = docs[txn.doc].take().unwrap_or_else(new);
        let joins = txn.joins.iter().map(|&i| news[i].as_slice());
        doc.join_all(&joins.collect::<Vec<_>>());
        news.push(doc.stroke(&bounded(&txn.edits, doc.len())));
        bases.entry(i).and_modify(|base| *base = doc.update(None));
        assert!(now() - begun < PLAY_MOST, "a history takes too long");
        if last[txn.doc] > i || trace.finals.contains(&txn.doc) {
            docs[txn.doc] = Some(doc);
        }
    }
    let mut merged = T::new(LAST);
    let all = news.iter().map(|update| update.as_slice());
    merged.join_all(&all.collect::<Vec<_>>());
    let updates = match trace.finals[..] {
        [] => vec![merged.update(None)],
        _ => trace.finals.iter()
            .map(|&i| docs[i].as_mut().unwrap().update(None))
            .collect(),
    };
    whole_of(merged, updates)
}

/// Playing a history takes long, and always makes the same.
fn play_once<T: Text>(trace: &Trace, cache: &str) -> Whole {
    let path = |i: usize| format!("{cache}/{}.{i}", trace.name);
    let text = format!("{cache}/{}.text", trace.name);
    let some = |bytes: Vec<u8>| Some(bytes).filter(|b| !b.is_empty());
    if std::fs::metadata(&text).is_err() {
        let whole = play_history::<T>(trace);
        std::fs::create_dir_all(cache).unwrap();
        let saved = std::iter::once(&whole.saved);
        let forgotten = whole.forgotten.clone().unwrap_or_default();
        let all = whole.updates.iter().chain(saved);
        for (i, bytes) in all.chain(std::iter::once(&forgotten)).enumerate() {
            std::fs::write(path(i), bytes).unwrap();
        }
        std::fs::write(&text, &whole.text).unwrap();
    }
    let exists = |&i: &usize| std::fs::metadata(path(i + 2)).is_ok();
    let count = 1 + (1..).take_while(exists).count();
    let read = |i: usize| std::fs::read(path(i)).unwrap();
    Whole {
        updates: (0..count).map(read).collect(),
        saved: read(count),
        forgotten: some(read(count + 1)),
        text: std::fs::read_to_string(&text).unwrap(),
    }
}

fn join<T: Text>(trace: &Trace, whole: &Whole) {
    let ns = median(|| {
        let mut doc = T::new(LAST);
        let (ns, ()) = timed(|| {
            for update in &whole.updates {
                doc.join(update);
            }
        });
        check(&doc, &whole.text);
        ns
    });
    let name = format!("text.remote_whole/{}", trace.name);
    tell(&name, ns / 1e6, "ms/op");
}

/// Opened, edited in the middle, committed.
fn open<T: Text>(trace: &Trace, whole: &Whole) {
    let middle = whole.text.len() / 2;
    let ns = median(|| {
        let (ns, mut doc) = timed(|| {
            let mut doc = T::open(&whole.saved);
            let at = doc.len() / 2;
            doc.edit(&[Edit { at, deleted: 0, inserted: "x" }]);
            doc
        });
        doc.edit(&[Edit { at: middle, deleted: 1, inserted: "" }]);
        check(&doc, &whole.text);
        ns
    });
    tell(&format!("text.open/{}", trace.name), ns / 1e6, "ms/op");
    let before = heap();
    let doc = T::open(&whole.saved);
    assert!(doc.len() == whole.text.len());
    let bytes = (heap() - before) as f64;
    tell(&format!("text.memory/{}", trace.name), bytes, "B");
    drop(doc);
}

fn save<T: Text>(trace: &Trace, whole: &Whole) {
    let mut doc = T::open(&whole.saved);
    let ns = median(|| timed(|| doc.save()).0);
    tell(&format!("text.save/{}", trace.name), ns / 1e6, "ms/op");
    let size = |what: &str, bytes: &[u8]| {
        let name = &trace.name;
        let len = bytes.len() as f64;
        tell(&format!("text.size_{what}/{name}"), len, "B");
        tell(&format!("text.size_{what}_gz/{name}"), gzipped(bytes), "B");
    };
    size(T::SAVES, &whole.saved);
    if let Some(forgotten) = &whole.forgotten {
        check(&T::open(forgotten), &whole.text);
        size("forgotten", forgotten);
    }
}

pub fn measure<T: Text>(trace: Trace, cache: &str) {
    let whole = if trace.is_sequence {
        local::<T>(&trace);
        keystrokes::<T>(&trace);
        catch_up::<T>(&trace);
        play_sequence::<T>(&trace)
    } else {
        play_once::<T>(&trace, cache)
    };
    let is_same = (whole.text == trace.end) as u8 as f64;
    tell(&format!("text.as_recorded/{}", trace.name), is_same, "x");
    join::<T>(&trace, &whole);
    open::<T>(&trace, &whole);
    save::<T>(&trace, &whole);
}
