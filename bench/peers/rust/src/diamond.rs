//! diamond-types: an oplog of all that was typed, and a rope beside it. What is
//! deleted stays in the log, its characters too.

use crate::text;
use crate::trace::{Edit, Trace};
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};
use diamond_types::list::{ListCRDT, OpLog};
use diamond_types::{AgentId, LocalVersion, Time};
use std::collections::HashMap;

pub struct Text {
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

impl Text {
    fn of(mut list: ListCRDT, author: u64) -> Self {
        let me = list.get_or_create_agent_id(&name(author));
        Text { list, me }
    }
}

impl text::Text for Text {
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
