//! The engines that hold texts.

use crate::text::Text;
use crate::trace::{Edit, Trace};
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};
use diamond_types::list::{ListCRDT, OpLog};
use diamond_types::{AgentId, LocalVersion, Time};
use std::collections::HashMap;
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, Options, ReadTxn, StateVector, TextRef};
use yrs::{Transact, TransactionMut, Update};

// >> diamond-types: an oplog of all that was typed, and a rope beside it. What
// is deleted stays in the log, its characters too.

pub struct Diamond {
    list: ListCRDT,
    me: AgentId,
}

fn local(at: Time) -> LocalVersion {
    std::iter::once(at).collect()
}

/// What is concurrent is put in order by name.
fn name(author: u64) -> String {
    format!("{author:016}")
}

impl Diamond {
    fn of(mut list: ListCRDT, author: u64) -> Self {
        let me = list.get_or_create_agent_id(&name(author));
        Diamond { list, me }
    }
}

impl Text for Diamond {
    type Version = LocalVersion;
    const SAVES: &'static str = "full";

    fn new(author: u64) -> Self {
        Self::of(ListCRDT::new(), author)
    }
    fn edit(&mut self, edits: &[Edit]) {
        for e in edits {
            if e.deleted > 0 {
                let gone = e.at..e.at + e.deleted;
                self.list.delete_without_content(self.me, gone);
            }
            if !e.inserted.is_empty() {
                self.list.insert(self.me, e.at, e.inserted);
            }
        }
    }
    fn stroke(&mut self, edits: &[Edit]) -> Vec<u8> {
        let since = self.version();
        self.edit(edits);
        self.update(Some(&since))
    }
    /// All txns in one log, each at the version that its author had seen.
    fn play(trace: &Trace) -> Option<Self> {
        let mut log = OpLog::new();
        let mut docs: HashMap<usize, LocalVersion> = HashMap::new();
        let mut last: Vec<Time> = Vec::new();
        for txn in &trace.txns {
            let me = log.get_or_create_agent_id(&name(txn.id + 1));
            let mut seen = docs.remove(&txn.doc).unwrap_or_else(|| {
                txn.base.iter().map(|&base| last[base]).collect()
            });
            for &join in txn.joins.iter().rev() {
                if !log.version_contains_time(&seen, last[join]) {
                    seen = log.version_union(&seen, &[last[join]]);
                }
            }
            for e in &txn.edits {
                if e.deleted > 0 {
                    let gone = e.at..e.at + e.deleted;
                    seen = local(log.add_delete_at(me, &seen, gone));
                }
                if !e.inserted.is_empty() {
                    let at = log.add_insert_at(me, &seen, e.at, e.inserted);
                    seen = local(at);
                }
            }
            last.push(seen[0]);
            docs.insert(txn.doc, seen);
        }
        let branch = log.checkout_tip();
        Some(Self::of(ListCRDT { branch, oplog: log }, 1 << 40))
    }
    fn version(&mut self) -> LocalVersion {
        self.list.oplog.local_version()
    }
    fn update(&mut self, since: Option<&LocalVersion>) -> Vec<u8> {
        match since {
            Some(v) => self.list.oplog.encode_from(ENCODE_PATCH, v),
            None => self.list.oplog.encode(ENCODE_PATCH),
        }
    }
    fn join(&mut self, update: &[u8]) {
        self.list.merge_data_and_ff(update).unwrap();
    }
    fn join_all(&mut self, updates: &[&[u8]]) {
        let ListCRDT { oplog, branch } = &mut self.list;
        for update in updates {
            oplog.decode_and_add(update).unwrap();
        }
        branch.merge(oplog, &oplog.local_version());
    }
    fn save(&mut self) -> Vec<u8> {
        self.list.oplog.encode(ENCODE_FULL)
    }
    fn open(bytes: &[u8]) -> Self {
        Self::of(ListCRDT::load_from(bytes).unwrap(), 1 << 41)
    }
    fn len(&self) -> usize {
        self.list.len()
    }
    fn text(&self) -> String {
        self.list.branch.content().to_string()
    }
}

// >> yrs: deleted text is dropped when a transaction ends. What is sent has
// the first encoding, which is faster, what is saved the second, which is
// smaller.

pub struct Yrs {
    doc: Doc,
    text: TextRef,
}

impl Yrs {
    fn edit_in(&self, txn: &mut TransactionMut, edits: &[Edit]) {
        use yrs::Text;
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

impl Text for Yrs {
    type Version = StateVector;
    const SAVES: &'static str = "saved";

    fn new(author: u64) -> Self {
        let client_id = yrs::block::ClientID::new(author);
        let doc = Doc::with_options(Options {
            client_id,
            ..Options::default()
        });
        let text = doc.get_or_insert_text("text");
        Yrs { doc, text }
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
        let none = StateVector::default();
        self.doc.transact().encode_diff_v1(since.unwrap_or(&none))
    }
    fn join(&mut self, update: &[u8]) {
        let update = Update::decode_v1(update).unwrap();
        self.doc.transact_mut().apply_update(update).unwrap();
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
        use yrs::Text;
        self.text.len(&self.doc.transact()) as usize
    }
    fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}

