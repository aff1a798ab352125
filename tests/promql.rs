//! PromQL scripts: what the evaluator answers, case by case, written against the Prometheus documentation. Every
//! instant case is also asked as a range, which must say the same at that step.

#[path = "promql/limits.rs"]
mod limits;
#[path = "promql/memory.rs"]
mod memory;
#[path = "promql/notation.rs"]
mod notation;
#[path = "promql/properties.rs"]
mod properties;
#[path = "promql/script.rs"]
mod script;

use std::path::Path;

#[test]
fn every_script_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/promql");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the scripts' folder").map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    paths.sort();
    assert!(!paths.is_empty());
    let failures: Vec<String> = paths.iter().flat_map(|path| script::run(path)).collect();
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_function_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/promql");
    let entries = std::fs::read_dir(folder).expect("the scripts' folder").map(|entry| entry.unwrap().path());
    let scripts = entries.filter(|path| path.extension().is_some_and(|extension| extension == "test"));
    let text: String = scripts.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let missing: Vec<_> =
        shoal_query::function_names().filter(|name| !text.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "no case calls {missing:?}");
}
