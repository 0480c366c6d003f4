//! automerge: all history, and time travel. It needs a newer rustc
//! than others: see `run`.

use crate::trace::Edit;
use crate::{data, text};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ChangeHash, ObjId, ObjType};
use automerge::{ReadDoc, ScalarValue, ROOT};

// >> texts: an object that somebody has to make, so every document begins with
// the same one.

pub struct Text {
    doc: AutoCommit,
    text: ObjId,
}

fn text_of(mut doc: AutoCommit, author: u64) -> Text {
    doc.set_actor(ActorId::from(&author.to_be_bytes()[..]));
    let text = doc.get(ROOT, "text").unwrap().unwrap().1;
    Text { doc, text }
}

/// All documents begin with this one.
fn base() -> AutoCommit {
    let mut doc = AutoCommit::new();
    doc.set_actor(ActorId::from(&[0u8; 8][..]));
    doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    doc.commit();
    doc
}

impl text::Text for Text {
    type Version = Vec<ChangeHash>;
    const SAVES: &'static str = "full";

    fn new(author: u64) -> Self {
        text_of(base(), author)
    }
    fn edit(&mut self, edits: &[Edit]) {
        for e in edits {
            let gone = e.deleted as isize;
            self.doc
                .splice_text(&self.text, e.at, gone, e.inserted)
                .unwrap();
        }
        self.doc.commit();
    }
    fn stroke(&mut self, edits: &[Edit]) -> Vec<u8> {
        self.edit(edits);
        let change = self.doc.get_last_local_change().unwrap();
        change.raw_bytes().to_vec()
    }
    fn version(&mut self) -> Self::Version {
        self.doc.get_heads()
    }
    fn update(&mut self, since: Option<&Self::Version>) -> Vec<u8> {
        match since {
            Some(heads) => self.doc.save_after(heads),
            None => self.doc.save(),
        }
    }
    fn join(&mut self, update: &[u8]) {
        self.doc.load_incremental(update).unwrap();
    }
    fn join_all(&mut self, updates: &[&[u8]]) {
        self.join(&updates.concat());
    }
    fn save(&mut self) -> Vec<u8> {
        self.doc.save()
    }
    fn open(bytes: &[u8]) -> Self {
        text_of(AutoCommit::load(bytes).unwrap(), 1 << 41)
    }
    fn len(&self) -> usize {
        self.doc.length(&self.text)
    }
    fn text(&self) -> String {
        self.doc.text(&self.text).unwrap()
    }
}

// >> maps and counters

pub struct Map(AutoCommit);

impl data::Map for Map {
    type Version = Vec<ChangeHash>;
    fn new(author: u64) -> Self {
        let mut doc = AutoCommit::new();
        doc.set_actor(ActorId::from(&author.to_be_bytes()[..]));
        Map(doc)
    }
    fn put(&mut self, keys: &[String]) {
        for (i, key) in keys.iter().enumerate() {
            self.0.put(ROOT, key.as_str(), i as i64).unwrap();
        }
    }
    fn commit(&mut self, keys: &[String]) {
        self.put(keys);
        self.0.commit();
    }
    fn len(&self) -> usize {
        self.0.length(ROOT)
    }
    fn version(&mut self) -> Self::Version {
        self.0.get_heads()
    }
    fn update(&mut self, since: Option<&Self::Version>) -> Vec<u8> {
        match since {
            Some(heads) => self.0.save_after(heads),
            None => self.0.save(),
        }
    }
    fn join(&mut self, update: &[u8]) {
        self.0.load_incremental(update).unwrap();
    }
}

pub fn counter() {
    let doc = std::cell::RefCell::new(AutoCommit::new());
    doc.borrow_mut()
        .put(ROOT, "counter", ScalarValue::counter(0))
        .unwrap();
    data::counter(
        || {
            let mut doc = doc.borrow_mut();
            doc.increment(ROOT, "counter", 1).unwrap();
            doc.commit();
        },
        || {
            let doc = doc.borrow();
            doc.get(ROOT, "counter").unwrap().unwrap().0.as_i64().unwrap()
        },
    );
}
