// Maps: as bench/peers/rust/src/data.rs.

import { heap, median, must, tell, timed } from './measure.js';

const N = 100000, NEWS = 1000, OTHERS = 2 ** 31;

// In no order, no two the same.
function key(i) {
  const mask = 0xffffffffn;
  let at = BigInt(i) * 0x9e3779b97f4a7c15n & mask;
  at = (at ^ at >> 16n) * 0xbf58476d1ce4e5b9n & mask;
  return (at ^ at >> 16n).toString(16).padStart(8, '0');
}

const keys = (from, count) =>
  Array.from({ length: count }, (_, i) => key(from + i));

function filled(Map, author, keys) {
  const map = new Map(author);
  const [ns] = timed(() => {
    for (const key of keys) map.edit([key]);
  });
  must(map.length === keys.length, 'not all keys are there');
  return [ns, map];
}

const tellEach = (name, ns, count) =>
  tell(`map.${name}/100k`, ns / count, 'ns/op');

function fill(Map) {
  const all = keys(0, N);
  tellEach('fill', median(() => filled(Map, 1, all)[0]), N);
  const before = heap();
  const [, map] = filled(Map, 1, all);
  tell('map.bytes_per_element/100k', (heap() - before) / N, 'B/element');
  return map;
}

function load(Map, update) {
  const ns = median(() => {
    const to = new Map(2);
    const [ns] = timed(() => to.join(update));
    must(to.length === N, 'not all keys came');
    return ns;
  });
  tellEach('load', ns, N);
}

function merge(Map, update) {
  const others = keys(OTHERS, N);
  const ns = median(() => {
    const [, to] = filled(Map, 2, others);
    const [ns] = timed(() => to.join(update));
    must(to.length === 2 * N, 'not all keys came');
    return ns;
  });
  tellEach('merge', ns, N);
}

function known(Map, from, update) {
  const to = new Map(2);
  to.join(update);
  let bytes, next = N;
  const ns = median(() => {
    const since = from.version();
    from.edit(keys(next, NEWS));
    next += NEWS;
    const [ns, length] = timed(() => {
      const update = from.update(since);
      to.join(update);
      return update.length;
    });
    must(to.length === next, 'not all keys came');
    bytes = length;
    return ns;
  });
  tellEach('merge_known_vv', ns, NEWS);
  tell('map.known_vv_bytes/100k', bytes, 'B');
}

function apply(Map, from) {
  const to = new Map(2);
  to.join(from.update());
  let next = 2 * N;
  const ns = median(() => {
    const updates = keys(next, NEWS).map(key => from.stroke([key]));
    next += NEWS;
    const [ns] = timed(() => updates.forEach(u => to.join(u)));
    must(to.length === from.length, 'not all keys came');
    return ns;
  });
  tellEach('apply', ns, NEWS);
}

export function maps(Map) {
  const from = fill(Map);
  const update = from.update();
  load(Map, update);
  merge(Map, update);
  known(Map, from, update);
  apply(Map, from);
}
