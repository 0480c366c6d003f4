//! loro: all history, and time travel; a shallow snapshot forgets it. It needs
//! a newer rustc than others: see `run`.

use crate::trace::Edit;
use crate::{data, text};
use loro::{ExportMode, LoroDoc, LoroMap, LoroText};
use loro::{Subscription, VersionVector};
use std::sync::{Arc, Mutex};

fn update(doc: &LoroDoc, since: Option<&VersionVector>) -> Vec<u8> {
    let none = VersionVector::default();
    let since = since.unwrap_or(&none);
    doc.export(ExportMode::updates(since)).unwrap()
}

// >> texts

pub struct Text {
    doc: LoroDoc,
    text: LoroText,
    sends: Option<Sends>,
}

/// What a commit tells others.
struct Sends {
    said: Arc<Mutex<Vec<u8>>>,
    _while: Subscription,
}

impl Text {
    fn listen(&mut self) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let to = said.clone();
        let _while = self.doc.subscribe_local_update(Box::new(move |bytes| {
            to.lock().unwrap().extend_from_slice(bytes);
            true
        }));
        self.sends = Some(Sends { said, _while });
    }
}

impl text::Text for Text {
    type Version = VersionVector;
    const SAVES: &'static str = "full";

    fn new(author: u64) -> Self {
        let doc = LoroDoc::new();
        doc.set_peer_id(author).unwrap();
        let text = doc.get_text("text");
        Text { doc, text, sends: None }
    }
    fn edit(&mut self, edits: &[Edit]) {
        for e in edits {
            if e.deleted > 0 {
                self.text.delete(e.at, e.deleted).unwrap();
            }
            if !e.inserted.is_empty() {
                self.text.insert(e.at, e.inserted).unwrap();
            }
        }
        self.doc.commit();
    }
    fn stroke(&mut self, edits: &[Edit]) -> Vec<u8> {
        if self.sends.is_none() {
            self.listen();
        }
        self.edit(edits);
        let sends = self.sends.as_ref().unwrap();
        std::mem::take(&mut *sends.said.lock().unwrap())
    }
    fn version(&mut self) -> VersionVector {
        self.doc.oplog_vv()
    }
    fn update(&mut self, since: Option<&VersionVector>) -> Vec<u8> {
        update(&self.doc, since)
    }
    fn join(&mut self, update: &[u8]) {
        self.doc.import(update).unwrap();
    }
    fn join_all(&mut self, updates: &[&[u8]]) {
        let updates: Vec<_> = updates.iter().map(|u| u.to_vec()).collect();
        self.doc.import_batch(&updates).unwrap();
    }
    fn save(&mut self) -> Vec<u8> {
        self.doc.export(ExportMode::Snapshot).unwrap()
    }
    fn open(bytes: &[u8]) -> Self {
        let me = Self::new(1 << 41);
        me.doc.import(bytes).unwrap();
        me
    }
    fn forget(&mut self) -> Option<Vec<u8>> {
        Some(self.doc.export(ExportMode::StateOnly(None)).unwrap())
    }
    fn len(&self) -> usize {
        self.text.len_unicode()
    }
    fn text(&self) -> String {
        self.text.to_string()
    }
}

// >> maps and counters

pub struct Map {
    doc: LoroDoc,
    map: LoroMap,
}

impl data::Map for Map {
    type Version = VersionVector;
    fn new(author: u64) -> Self {
        let doc = LoroDoc::new();
        doc.set_peer_id(author).unwrap();
        let map = doc.get_map("map");
        Map { doc, map }
    }
    fn put(&mut self, keys: &[String]) {
        for (i, key) in keys.iter().enumerate() {
            self.map.insert(key, i as i64).unwrap();
        }
    }
    fn commit(&mut self, keys: &[String]) {
        self.put(keys);
        self.doc.commit();
    }
    fn len(&self) -> usize {
        self.map.len()
    }
    fn version(&mut self) -> VersionVector {
        self.doc.oplog_vv()
    }
    fn update(&mut self, since: Option<&VersionVector>) -> Vec<u8> {
        update(&self.doc, since)
    }
    fn join(&mut self, update: &[u8]) {
        self.doc.import(update).unwrap();
    }
}

pub fn counter() {
    let doc = LoroDoc::new();
    let of = doc.get_counter("counter");
    data::counter(
        || {
            of.increment(1.0).unwrap();
            doc.commit();
        },
        || of.get() as i64,
    );
}
