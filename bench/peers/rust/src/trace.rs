//! Traces as `build/bench --plain` writes them: bench/plain.h says how.

use serde_json::Value;

pub struct Edit {
    pub at: usize,
    pub deleted: usize,
    pub inserted: &'static str,
}

pub struct Txn {
    pub doc: usize,
    pub id: u64,
    pub base: Option<usize>,
    pub joins: Vec<usize>,
    pub edits: Vec<Edit>,
}

pub struct Trace {
    pub name: String,
    pub is_sequence: bool,
    pub start: &'static str,
    pub end: &'static str,
    pub txns: Vec<Txn>,
    pub finals: Vec<usize>,
}

/// Texts live as long as the process: an engine that keeps only positions
/// refers to them.
fn text(of: &Value) -> &'static str {
    Box::leak(of.as_str().unwrap().to_string().into_boxed_str())
}

fn number(of: &Value) -> usize {
    of.as_u64().unwrap() as usize
}

fn list<T>(of: &Value, each: impl Fn(&Value) -> T) -> Vec<T> {
    of.as_array().unwrap().iter().map(each).collect()
}

fn edit(of: &Value) -> Edit {
    Edit {
        at: number(&of[0]),
        deleted: number(&of[1]),
        inserted: text(&of[2]),
    }
}

fn txn(of: &Value) -> Txn {
    Txn {
        doc: number(&of["doc"]),
        id: of["id"].as_u64().unwrap(),
        base: of["base"].as_u64().map(|base| base as usize),
        joins: list(&of["joins"], number),
        edits: list(&of["edits"], edit),
    }
}

pub fn load(path: &str) -> Trace {
    let all = std::fs::read_to_string(path).expect("a trace to read");
    let all: Value = serde_json::from_str(&all).expect("a trace in JSON");
    Trace {
        name: all["name"].as_str().unwrap().to_string(),
        is_sequence: all["is_sequence"].as_bool().unwrap(),
        start: text(&all["start"]),
        end: text(&all["end"]),
        txns: list(&all["txns"], txn),
        finals: list(&all["finals"], number),
    }
}
