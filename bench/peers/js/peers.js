// node --expose-gc peers.js ENGINE TRACE.json CACHE | ENGINE data | --list:
// as bench/peers/rust/src/main.rs.

import fs from 'node:fs';
import { JoyMap, JoyText, YjsMap, YjsText } from './engines.js';
import { maps } from './data.js';
import { texts } from './text.js';

const engines = { yjs: [YjsText, YjsMap], 'json-joy': [JoyText, JoyMap] };
const here = new URL('package.json', import.meta.url);
const [engine, what, cache] = process.argv.slice(2);

if (engine === '--list')
  for (const [name, version] of
       Object.entries(JSON.parse(fs.readFileSync(here)).dependencies))
    console.log(`${name} ${version}`);
else if (what === 'data')
  maps(engines[engine][1]);
else
  texts(engines[engine][0], what, cache);
