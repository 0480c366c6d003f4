// As bench/peers/rust/src/measure.rs: time of the processor, heap, results.

const RUNS = 7, RUNS_FEW = 3, ENOUGH = 1e9, TOO_MUCH = 4e9;

// All threads of the process: the collector and the compiler have their own.
export function now() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
}

export function median(run) {
  const begun = now();
  let took = [run()];
  if (now() - begun < ENOUGH) took = [];
  while (took.length < RUNS) {
    const soFar = now() - begun;
    if ((took.length >= RUNS_FEW && soFar > ENOUGH) ||
        (took.length > 0 && soFar > TOO_MUCH)) break;
    took.push(run());
  }
  took.sort((a, b) => a - b);
  return took[took.length >> 1];
}

export function timed(run) {
  const begun = now();
  const made = run();
  return [now() - begun, made];
}

export function heap() {
  global.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

export function tell(name, value, unit) {
  console.log(JSON.stringify({ name, value, unit }));
}

export function must(holds, what) {
  if (!holds) throw new Error(what);
}
