// The engines of JavaScript: documents with one text, or one map. What the
// methods do, bench/peers/rust/src/text.rs says.

import * as Y from 'yjs';
import { Model, Patch, s } from 'json-joy/lib/json-crdt/index.js';

// >> Yjs: deleted text is dropped when a transaction ends. What is sent has
// the first encoding, which is faster, what is saved the second, which is
// smaller.

class Yjs {
  constructor(author) {
    this.doc = new Y.Doc();
    this.doc.clientID = author;
  }
  stroke(edits) {
    let said;
    const hear = update => { said = update; };
    this.doc.on('update', hear);
    this.edit(edits);
    this.doc.off('update', hear);
    return said;
  }
  version() { return Y.encodeStateVector(this.doc); }
  update(since) { return Y.encodeStateAsUpdate(this.doc, since); }
  join(update) { Y.applyUpdate(this.doc, update); }
}

export class YjsText extends Yjs {
  static saves = 'saved';
  constructor(author) {
    super(author);
    this.of = this.doc.getText('text');
  }
  static open(bytes) {
    const me = new YjsText(2 ** 41);
    Y.applyUpdateV2(me.doc, bytes);
    return me;
  }
  edit(edits) {
    this.doc.transact(() => {
      for (const [at, deleted, inserted] of edits) {
        if (deleted > 0) this.of.delete(at, deleted);
        if (inserted !== '') this.of.insert(at, inserted);
      }
    });
  }
  save() { return Y.encodeStateAsUpdateV2(this.doc); }
  get length() { return this.of.length; }
  text() { return this.of.toString(); }
}

export class YjsMap extends Yjs {
  constructor(author) {
    super(author);
    this.of = this.doc.getMap('map');
  }
  edit(keys) {
    this.doc.transact(() => keys.forEach((key, i) => this.of.set(key, i)));
  }
  get length() { return this.of.size; }
}

// >> json-joy: a model has no history; who wants to send what was done keeps
// the patches. All documents begin with the same model.

class Joy {
  constructor(base, author) {
    this.model = base.fork(0x10000 + author);
    this.log = [];
  }
  commit() { this.log.push(this.model.api.flush()); }
  stroke(edits) {
    const since = this.version();
    this.edit(edits);
    return this.update(since);
  }
  version() { return this.log.length; }
  // Patches, a length before each.
  update(since = 0) {
    const all = this.log.slice(since).map(patch => patch.toBinary());
    const out = new Uint8Array(all.reduce((n, b) => n + 4 + b.length, 0));
    const view = new DataView(out.buffer);
    let at = 0;
    for (const bytes of all) {
      view.setUint32(at, bytes.length);
      out.set(bytes, at + 4);
      at += 4 + bytes.length;
    }
    return out;
  }
  join(update) {
    const view = new DataView(update.buffer, update.byteOffset);
    for (let at = 0; at < update.length;) {
      const end = at + 4 + view.getUint32(at);
      const patch = Patch.fromBinary(update.subarray(at + 4, end));
      this.model.applyPatch(patch);
      this.log.push(patch);
      at = end;
    }
  }
}

const joyText = Model.create(s.str(''), 0x10000);
joyText.api.flush();
const joyMap = Model.create(s.obj({}), 0x10000);
joyMap.api.flush();

export class JoyText extends Joy {
  static saves = 'saved';
  constructor(author) {
    super(joyText, author);
    this.of = this.model.api.str([]);
  }
  static open(bytes) {
    const me = Object.create(JoyText.prototype);
    me.model = Model.load(bytes, 0x10000 + (2 ** 41));
    me.log = [];
    me.of = me.model.api.str([]);
    return me;
  }
  edit(edits) {
    for (const [at, deleted, inserted] of edits) {
      if (deleted > 0) this.of.del(at, deleted);
      if (inserted !== '') this.of.ins(at, inserted);
    }
    this.commit();
  }
  save() { return this.model.toBinary(); }
  get length() { return this.of.length(); }
  text() { return this.of.view(); }
}

export class JoyMap extends Joy {
  constructor(author) {
    super(joyMap, author);
    this.of = this.model.api.obj([]);
  }
  edit(keys) {
    this.of.set(Object.fromEntries(keys.map((key, i) => [key, i])));
    this.commit();
  }
  get length() { return this.of.node.keys.size; }
}
