// The text cases: as bench/peers/rust/src/text.rs.

import fs from 'node:fs';
import zlib from 'node:zlib';
import { heap, median, must, tell, timed } from './measure.js';

const MOST = 10e9; // of keystrokes
const LAST = 2 ** 40; // the id of who only reads; no author's

const check = (doc, text) =>
  must(doc.text() === text, 'not the text that it should be');

function begin(Text, trace) {
  const doc = new Text(1);
  if (trace.start !== '') doc.edit([[0, 0, trace.start]]);
  return doc;
}

function local(Text, trace) {
  const { edits } = trace.txns[0];
  const ns = median(() => {
    const doc = begin(Text, trace);
    const [ns] = timed(() => doc.edit(edits));
    check(doc, trace.end);
    return ns;
  });
  tell(`text.local/${trace.name}`, ns / edits.length, 'ns/op');
}

function keystrokes(Text, trace) {
  const { edits } = trace.txns[0];
  let bytes, done;
  const ns = median(() => {
    const from = begin(Text, trace), to = new Text(2);
    to.join(from.update());
    let ns = 0;
    for (bytes = done = 0; done < edits.length && ns < MOST;) {
      const some = edits.slice(done, done + 1000);
      ns += timed(() => {
        for (const edit of some) {
          const update = from.stroke([edit]);
          to.join(update);
          bytes += update.length;
        }
      })[0];
      done += some.length;
    }
    if (done === edits.length) check(to, trace.end);
    return ns / done;
  });
  tell(`text.remote_keystrokes/${trace.name}`, ns, 'ns/op');
  tell(`text.keystroke_bytes/${trace.name}`, bytes / done, 'B/element');
}

function catchUp(Text, trace) {
  const { edits } = trace.txns[0];
  const known = edits.length - Math.floor(edits.length / 100);
  const from = begin(Text, trace);
  from.edit(edits.slice(0, known));
  const saved = from.save(), since = from.version();
  from.edit(edits.slice(known));
  let bytes;
  const ns = median(() => {
    const to = Text.open(saved);
    const [ns, length] = timed(() => {
      const update = from.update(since);
      to.join(update);
      return update.length;
    });
    bytes = length;
    check(to, trace.end);
    return ns;
  });
  tell(`text.catch_up/${trace.name}`, ns / 1e6, 'ms/op');
  tell(`text.catch_up_bytes/${trace.name}`, bytes, 'B');
}

function playSequence(Text, trace) {
  const doc = begin(Text, trace);
  doc.edit(trace.txns[0].edits);
  return { updates: [doc.update()], saved: doc.save(), text: doc.text() };
}

// Edits that stay within a text of that length: see text.rs.
function bounded(edits, length) {
  return edits.map(([at, deleted, inserted]) => {
    at = Math.min(at, length);
    deleted = Math.min(deleted, length - at);
    length += inserted.length - deleted;
    return [at, deleted, inserted];
  });
}

// A copy: what an engine gives may be part of a buffer that it goes on using.
function playHistory(Text, trace) {
  const last = new Map(), docs = new Map(), bases = new Map(), news = [];
  trace.txns.forEach(txn => bases.set(txn.base));
  trace.txns.forEach((txn, i) => last.set(txn.doc, i));
  trace.txns.forEach((txn, i) => {
    const doc = docs.get(txn.doc) ?? new Text(txn.id + 1);
    if (!docs.has(txn.doc) && 'base' in txn) doc.join(bases.get(txn.base));
    for (const join of txn.joins) doc.join(news[join]);
    news.push(doc.stroke(bounded(txn.edits, doc.length)).slice());
    docs.set(txn.doc, doc);
    if (bases.has(i)) bases.set(i, doc.update().slice());
    if (last.get(txn.doc) === i && !trace.finals.includes(txn.doc))
      docs.delete(txn.doc);
  });
  const merged = new Text(LAST);
  for (const update of news) merged.join(update);
  const whole = trace.finals.length ? trace.finals.map(i => docs.get(i))
                                    : [merged];
  return { updates: whole.map(doc => doc.update()), saved: merged.save(),
           text: merged.text() };
}

function playOnce(Text, trace, cache) {
  const path = i => `${cache}/${trace.name}.${i}`;
  const count = Math.max(trace.finals.length, 1);
  if (!fs.existsSync(path('text'))) {
    const { updates, saved, text } = playHistory(Text, trace);
    fs.mkdirSync(cache, { recursive: true });
    [...updates, saved].forEach((b, i) => fs.writeFileSync(path(i), b));
    fs.writeFileSync(path('text'), text);
  }
  const read = i => new Uint8Array(fs.readFileSync(path(i)));
  return {
    updates: Array.from({ length: count }, (_, i) => read(i)),
    saved: read(count),
    text: fs.readFileSync(path('text'), 'utf8'),
  };
}

function join(Text, trace, whole) {
  const ns = median(() => {
    const doc = new Text(LAST);
    const [ns] = timed(() => whole.updates.forEach(u => doc.join(u)));
    check(doc, whole.text);
    return ns;
  });
  tell(`text.remote_whole/${trace.name}`, ns / 1e6, 'ms/op');
}

function open(Text, trace, whole) {
  const ns = median(() => {
    const [ns, doc] = timed(() => {
      const doc = Text.open(whole.saved);
      doc.edit([[doc.length >> 1, 0, 'x']]);
      return doc;
    });
    doc.edit([[whole.text.length >> 1, 1, '']]);
    check(doc, whole.text);
    return ns;
  });
  tell(`text.open/${trace.name}`, ns / 1e6, 'ms/op');
  const before = heap();
  const docs = Array.from({ length: 8 }, () => Text.open(whole.saved));
  const bytes = (heap() - before) / docs.length;
  must(docs[0].length === whole.text.length, 'not as long as the trace says');
  // The collector may have given back more than the documents took.
  if (bytes > 0) tell(`text.memory/${trace.name}`, bytes, 'B');
}

function save(Text, trace, whole) {
  const doc = Text.open(whole.saved);
  const ns = median(() => timed(() => doc.save())[0]);
  const size = `text.size_${Text.saves}`;
  const gz = zlib.gzipSync(whole.saved, { level: 9 });
  tell(`text.save/${trace.name}`, ns / 1e6, 'ms/op');
  tell(`${size}/${trace.name}`, whole.saved.length, 'B');
  tell(`${size}_gz/${trace.name}`, gz.length, 'B');
}

export function texts(Text, path, cache) {
  const trace = JSON.parse(fs.readFileSync(path, 'utf8'));
  if (trace.is_sequence) {
    local(Text, trace);
    keystrokes(Text, trace);
    catchUp(Text, trace);
  }
  const whole = trace.is_sequence ? playSequence(Text, trace)
                                  : playOnce(Text, trace, cache);
  tell(`text.as_recorded/${trace.name}`, +(whole.text === trace.end), 'x');
  join(Text, trace, whole);
  open(Text, trace, whole);
  save(Text, trace, whole);
}
