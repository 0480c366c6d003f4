//! cola keeps positions only: who uses it has a buffer of text beside it. So
//! there is no text to be right; what a second replica makes of the same
//! edits, in a buffer beside it, is compared off the clock. Edits are handed
//! over as they are, without bytes. Sequences only.

use crate::measure::{heap, median, tell, timed};
use crate::trace::{Edit, Trace};
use cola::{Deletion, EncodedReplica, Insertion, Replica};

enum Op {
    Insertion(Insertion, &'static str),
    Deletion(Deletion),
}

fn begin(trace: &Trace) -> Replica {
    Replica::new(1, trace.start.len())
}

fn edit(replica: &mut Replica, e: &Edit, ops: &mut Vec<Op>) {
    if e.deleted > 0 {
        ops.push(Op::Deletion(replica.deleted(e.at..e.at + e.deleted)));
    }
    if !e.inserted.is_empty() {
        let op = replica.inserted(e.at, e.inserted.len());
        ops.push(Op::Insertion(op, e.inserted));
    }
}

fn integrate(replica: &mut Replica, op: &Op) {
    match op {
        Op::Insertion(op, _) => {
            assert!(replica.integrate_insertion(op).is_some());
        }
        Op::Deletion(op) => {
            assert!(!replica.integrate_deletion(op).is_empty());
        }
    }
}

/// The text that a second replica's positions make; slow.
fn check(trace: &Trace, ops: &[Op]) {
    let mut replica = begin(trace).fork(2);
    let mut text = trace.start.to_string();
    for op in ops {
        match op {
            Op::Insertion(op, inserted) => {
                let at = replica.integrate_insertion(op).unwrap();
                text.insert_str(at, inserted);
            }
            Op::Deletion(op) => {
                for gone in replica.integrate_deletion(op).iter().rev() {
                    text.replace_range(gone.clone(), "");
                }
            }
        }
    }
    assert!(text == trace.end, "not the text of the trace");
}

fn local(trace: &Trace) -> (Replica, Vec<Op>) {
    let edits = &trace.txns[0].edits;
    let mut made = None;
    let ns = median(|| {
        let mut replica = begin(trace);
        let mut ops = Vec::with_capacity(2 * edits.len());
        let (ns, ()) = timed(|| {
            for e in edits {
                edit(&mut replica, e, &mut ops);
            }
        });
        made = Some((replica, ops));
        ns
    });
    let name = format!("text.local/{}", trace.name);
    tell(&name, ns / edits.len() as f64, "ns/op");
    made.unwrap()
}

fn keystrokes(trace: &Trace) {
    let edits = &trace.txns[0].edits;
    let ns = median(|| {
        let mut from = begin(trace);
        let mut to = from.fork(2);
        let mut ops = Vec::new();
        timed(|| {
            for e in edits {
                ops.clear();
                edit(&mut from, e, &mut ops);
                ops.iter().for_each(|op| integrate(&mut to, op));
            }
        }).0
    });
    let name = format!("text.remote_keystrokes/{}", trace.name);
    tell(&name, ns / edits.len() as f64, "ns/op");
}

fn join(trace: &Trace, ops: &[Op]) {
    let ns = median(|| {
        let mut to = begin(trace).fork(2);
        timed(|| ops.iter().for_each(|op| integrate(&mut to, op))).0
    });
    let name = format!("text.remote_whole/{}", trace.name);
    tell(&name, ns / 1e6, "ms/op");
}

fn saved(trace: &Trace, replica: &Replica) {
    let name = &trace.name;
    let bytes = replica.encode();
    let ns = median(|| timed(|| replica.encode()).0);
    tell(&format!("text.save/{name}"), ns / 1e6, "ms/op");
    let ns = median(|| {
        timed(|| {
            let from = EncodedReplica::from_bytes(bytes.as_bytes());
            let mut opened = Replica::decode(3, &from).unwrap();
            opened.inserted(trace.end.len() / 2, 1)
        }).0
    });
    tell(&format!("text.open/{name}"), ns / 1e6, "ms/op");
    let before = heap();
    let opened = Replica::decode(3, &bytes).unwrap();
    tell(&format!("text.memory/{name}"), (heap() - before) as f64, "B");
    drop(opened);
}

pub fn measure(trace: Trace) {
    if !trace.is_sequence {
        return;
    }
    let (replica, ops) = local(&trace);
    check(&trace, &ops);
    keystrokes(&trace);
    join(&trace, &ops);
    saved(&trace, &replica);
}
