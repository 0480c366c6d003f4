//! peers ENGINE TRACE.json CACHE: the text cases of one engine.
//! peers ENGINE data: its maps, sets and counters.
//! peers --list: the engines and their versions.
//!
//! Prints a JSON object a line, named as in build/bench, whose cases do the
//! same; docs/benchmarks.md says what they are. What has to be made first, and
//! is not measured, of a trace with many authors is kept in the directory
//! CACHE.

#![cfg_attr(not(feature = "recent"), allow(dead_code))]

#[cfg(feature = "recent")]
mod automerge;
mod cola;
mod data;
mod diamond;
#[cfg(feature = "recent")]
mod loro;
mod measure;
mod text;
mod trace;
#[cfg(feature = "recent")]
mod yrs;

#[global_allocator]
static HEAP: measure::Counting = measure::Counting;

const ENGINES: &[(&str, &str)] = &[
    ("diamond-types", "1.0.0"),
    #[cfg(feature = "recent")]
    ("yrs", "0.28.1"),
    #[cfg(feature = "recent")]
    ("automerge", "0.12.0"),
    #[cfg(feature = "recent")]
    ("loro", "1.17.1"),
    ("cola", "0.5.1"),
    ("crdts", "7.3.2"),
];

fn texts(engine: &str, path: &str, cache: &str) {
    let trace = trace::load(path);
    match engine {
        "diamond-types" => text::measure::<diamond::Text>(trace, cache),
        #[cfg(feature = "recent")]
        "yrs" => text::measure::<yrs::Text>(trace, cache),
        #[cfg(feature = "recent")]
        "automerge" => text::measure::<automerge::Text>(trace, cache),
        #[cfg(feature = "recent")]
        "loro" => text::measure::<loro::Text>(trace, cache),
        "cola" => cola::measure(trace),
        _ => {}
    }
}

fn data(engine: &str) {
    match engine {
        #[cfg(feature = "recent")]
        "yrs" => data::maps::<yrs::Map>(),
        #[cfg(feature = "recent")]
        "automerge" => {
            data::maps::<automerge::Map>();
            automerge::counter();
        }
        #[cfg(feature = "recent")]
        "loro" => {
            data::maps::<loro::Map>();
            loro::counter();
        }
        "crdts" => data::crdts(),
        _ => {}
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(|a| a.as_str()).collect();
    match args[..] {
        ["--list"] => {
            for (name, version) in ENGINES {
                println!("{name} {version}");
            }
        }
        [engine, "data"] => data(engine),
        [engine, path, cache] => texts(engine, path, cache),
        _ => panic!("peers ENGINE data | ENGINE TRACE.json CACHE | --list"),
    }
}
