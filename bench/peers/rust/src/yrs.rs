//! yrs: deleted text is dropped when a transaction ends. What is sent has the
//! first encoding, which is faster, what is saved the second, which is smaller.
//! It needs a newer rustc than others: see `run`.

use crate::trace::Edit;
use crate::{data, text};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, Map as _, MapRef, Options, ReadTxn, StateVector};
use yrs::{Text as _, TextRef, Transact, TransactionMut, Update};

fn document(author: u64) -> Doc {
    let client_id = yrs::block::ClientID::new(author);
    Doc::with_options(Options {
        client_id,
        ..Options::default()
    })
}

fn update(doc: &Doc, since: Option<&StateVector>) -> Vec<u8> {
    let none = StateVector::default();
    doc.transact().encode_diff_v1(since.unwrap_or(&none))
}

fn join(doc: &Doc, update: &[u8]) {
    let update = Update::decode_v1(update).unwrap();
    doc.transact_mut().apply_update(update).unwrap();
}

// >> texts

pub struct Text {
    doc: Doc,
    text: TextRef,
}

impl Text {
    fn edit_in(&self, txn: &mut TransactionMut, edits: &[Edit]) {
        for e in edits {
            let at = e.at as u32;
            if e.deleted > 0 {
                self.text.remove_range(txn, at, e.deleted as u32);
            }
            if !e.inserted.is_empty() {
                self.text.insert(txn, at, e.inserted);
            }
        }
    }
}

impl text::Text for Text {
    type Version = StateVector;
    const SAVES: &'static str = "saved";

    fn new(author: u64) -> Self {
        let doc = document(author);
        let text = doc.get_or_insert_text("text");
        Text { doc, text }
    }
    fn edit(&mut self, edits: &[Edit]) {
        // One for all would keep each edit a block of its own until it ends.
        for i in 0..edits.len() {
            self.edit_in(&mut self.doc.transact_mut(), &edits[i..i + 1]);
        }
    }
    fn stroke(&mut self, edits: &[Edit]) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        self.edit_in(&mut txn, edits);
        txn.encode_update_v1()
    }
    fn version(&mut self) -> StateVector {
        self.doc.transact().state_vector()
    }
    fn update(&mut self, since: Option<&StateVector>) -> Vec<u8> {
        update(&self.doc, since)
    }
    fn join(&mut self, update: &[u8]) {
        join(&self.doc, update);
    }
    fn save(&mut self) -> Vec<u8> {
        self.doc.transact().encode_diff_v2(&StateVector::default())
    }
    fn open(bytes: &[u8]) -> Self {
        let me = Self::new(1 << 41);
        let update = Update::decode_v2(bytes).unwrap();
        me.doc.transact_mut().apply_update(update).unwrap();
        me
    }
    fn len(&self) -> usize {
        self.text.len(&self.doc.transact()) as usize
    }
    fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}

// >> maps

pub struct Map {
    doc: Doc,
    map: MapRef,
}

impl data::Map for Map {
    type Version = StateVector;
    fn new(author: u64) -> Self {
        let doc = document(author);
        let map = doc.get_or_insert_map("map");
        Map { doc, map }
    }
    fn put(&mut self, keys: &[String]) {
        let mut txn = self.doc.transact_mut();
        for (i, key) in keys.iter().enumerate() {
            self.map.insert(&mut txn, key.as_str(), i as i64);
        }
    }
    fn commit(&mut self, keys: &[String]) {
        self.put(keys);
    }
    fn len(&self) -> usize {
        self.map.len(&self.doc.transact()) as usize
    }
    fn version(&mut self) -> StateVector {
        self.doc.transact().state_vector()
    }
    fn update(&mut self, since: Option<&StateVector>) -> Vec<u8> {
        update(&self.doc, since)
    }
    fn join(&mut self, update: &[u8]) {
        join(&self.doc, update);
    }
}
