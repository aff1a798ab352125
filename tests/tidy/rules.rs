//! The rules that one file can break alone. Words that must not appear are written in halves, so that this
//! file does not find itself.

/// A text file of the workspace.
pub(crate) struct Source<'a> {
    /// Its path from the root.
    pub(crate) path: &'a str,
    /// What stands in it.
    pub(crate) text: &'a str,
}

/// Finds what is wrong with a file: `path:line: what`, and nothing for files that it does not judge.
type Rule = fn(&Source) -> Vec<String>;

/// Every rule.
pub(crate) const RULES: [Rule; 12] = [
    header,
    file_length,
    architecture_length,
    file_name,
    folder_depth,
    leftovers,
    ignored_tests,
    sleeping_tests,
    function_length,
    machine_paths,
    generated_code,
    client_in_node,
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const ARCHITECTURE_LINES_MAX: usize = 300;
const FOLDERS_BELOW_SRC_MAX: usize = 2;
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "common", "helpers", "misc", "types", "handlers", "manager", "mod"];
const LEFTOVERS: [(&str, &str); 5] =
    [("TO", "DO"), ("FIX", "ME"), ("todo", "!("), ("unimpl", "emented!("), ("dbg", "!(")];
const IGNORED: (&str, &str) = ("#[ig", "nore");
const SLEEP: (&str, &str) = ("sle", "ep(");
/// Says that a file's tests run in tokio's virtual time.
const PAUSED: &str = "start_paused = true";
const MACHINE_PATHS: [(&str, &str); 2] = [("/wo", "rk/"), ("/ro", "ot/")];
/// Where the node may use the client library: there it is a client itself.
const CLIENT_PLACES: [&str; 3] = ["cli", "commands", "demo"];
const CLIENT: (&str, &str) = ("shoal_", "client");
const GENERATED: (&str, &str) = ("@gene", "rated");

fn header(source: &Source) -> Vec<String> {
    if !source.is_rust() || source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.finding(1, "a file begins with `//!`: what it is and why it stands apart")]
}

fn file_length(source: &Source) -> Vec<String> {
    if source.is_rust() { source.longer_than(FILE_LINES_MAX) } else { Vec::new() }
}

fn architecture_length(source: &Source) -> Vec<String> {
    if source.path == "docs/ARCHITECTURE.md" {
        source.longer_than(ARCHITECTURE_LINES_MAX)
    } else {
        Vec::new()
    }
}

fn file_name(source: &Source) -> Vec<String> {
    let parts = source.path.trim_end_matches(".rs").split('/');
    let empty: Vec<&str> = parts.filter(|part| EMPTY_NAMES.contains(part)).collect();
    if !source.is_rust() || empty.is_empty() {
        return Vec::new();
    }
    vec![source.finding(1, &format!("`{}` is no noun of the domain", empty.join("/")))]
}

fn folder_depth(source: &Source) -> Vec<String> {
    let below = source.path.split_once("src/").map_or(0, |(_, below)| below.matches('/').count());
    if !source.is_rust() || below <= FOLDERS_BELOW_SRC_MAX {
        return Vec::new();
    }
    vec![source.finding(1, &format!("at most {FOLDERS_BELOW_SRC_MAX} folders below src"))]
}

fn leftovers(source: &Source) -> Vec<String> {
    if !source.is_rust() && !source.path.ends_with(".md") {
        return Vec::new();
    }
    LEFTOVERS.iter().flat_map(|word| source.lines_with(0, *word, "unfinished work")).collect()
}

fn ignored_tests(source: &Source) -> Vec<String> {
    if source.is_rust() { source.lines_with(0, IGNORED, "a test that does not run") } else { Vec::new() }
}

/// In paused time a pause is a step of the clock and takes none.
fn sleeping_tests(source: &Source) -> Vec<String> {
    match source.tests_begin() {
        Some(line) if !source.text.contains(PAUSED) => {
            source.lines_with(line, SLEEP, "tests wait for conditions, with a deadline")
        }
        _ => Vec::new(),
    }
}

/// Leans on rustfmt: a function ends at the first line that is a brace at its own indentation.
fn function_length(source: &Source) -> Vec<String> {
    if !source.is_rust() {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    for (start, head) in lines.iter().enumerate().filter(|(_, line)| is_function_head(line)) {
        let indent = &head[..head.len() - head.trim_start().len()];
        let ends = |line: &&str| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest == "}" || (rest.starts_with(')') && rest.ends_with(';')))
        };
        let length = lines[start..].iter().position(ends).map_or(1, |end| end + 1);
        if length > FUNCTION_LINES_MAX {
            let what = format!("a function of {length} lines; at most {FUNCTION_LINES_MAX}");
            findings.push(source.finding(start + 1, &what));
        }
    }
    findings
}

/// Whether a body of several lines, or a signature of several lines, begins here.
fn is_function_head(line: &str) -> bool {
    let mut rest = line.trim_start();
    while let Some((word, after)) = rest.split_once(' ') {
        match word {
            "fn" => return !line.ends_with(['}', ';']),
            "const" | "async" | "unsafe" | "pub" => rest = after,
            _ if word.starts_with("pub(") => rest = after,
            _ => return false,
        }
    }
    false
}

fn machine_paths(source: &Source) -> Vec<String> {
    MACHINE_PATHS.iter().flat_map(|path| source.lines_with(0, *path, "a path of one machine")).collect()
}

fn generated_code(source: &Source) -> Vec<String> {
    if !source.is_rust() {
        return Vec::new();
    }
    source.lines_with(0, GENERATED, "what the build makes is not kept")
}

fn client_in_node(source: &Source) -> Vec<String> {
    let Some(below) = source.path.strip_prefix("crates/node/src/") else { return Vec::new() };
    let place = below.split(['/', '.']).next().unwrap_or_default();
    if CLIENT_PLACES.contains(&place) {
        return Vec::new();
    }
    source.lines_with(0, CLIENT, "only the command line and the demo are clients")
}

impl Source<'_> {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    fn longer_than(&self, max: usize) -> Vec<String> {
        match self.text.lines().count() {
            count if count > max => vec![self.finding(count, &format!("{count} lines; at most {max}"))],
            _ => Vec::new(),
        }
    }

    /// A finding for each line, `skip` lines from the top, that holds the word in two halves.
    fn lines_with(&self, skip: usize, (a, b): (&str, &str), what: &str) -> Vec<String> {
        let word = format!("{a}{b}");
        let found = self.text.lines().enumerate().skip(skip).filter(|(_, line)| line.contains(&word));
        found.map(|(index, _)| self.finding(index + 1, &format!("{what}: `{word}`"))).collect()
    }

    /// How many lines stand before the file's tests; `None` where it has none.
    fn tests_begin(&self) -> Option<usize> {
        if !self.is_rust() {
            return None;
        }
        if self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
        {
            return Some(0);
        }
        self.text.lines().position(|line| line == "mod tests {")
    }
}

/// A rule, a file that breaks it and the finding that must come of it.
fn check(rule: Rule, path: &str, text: &str, expected: &[&str]) {
    let findings = rule(&Source { path, text });
    assert_eq!(findings.len(), expected.len(), "{path}: {findings:?}");
    for (finding, start) in findings.iter().zip(expected) {
        assert!(finding.starts_with(start), "{finding} does not begin with {start}");
    }
}

fn word((a, b): (&str, &str)) -> String {
    format!("{a}{b}")
}

#[test]
fn a_missing_header_is_found() {
    check(header, "a.rs", "use x;\n", &["a.rs:1: "]);
    check(header, "a.rs", "// a comment\n", &["a.rs:1: "]);
    check(header, "a.rs", "//! A file.\n", &[]);
    check(header, "a.md", "Text.\n", &[]);
}

#[test]
fn a_long_file_is_found() {
    check(file_length, "a.rs", &"\n".repeat(FILE_LINES_MAX), &[]);
    check(file_length, "a.rs", &"\n".repeat(FILE_LINES_MAX + 1), &["a.rs:601: 601 lines"]);
    check(architecture_length, "docs/ARCHITECTURE.md", &"\n".repeat(301), &["docs/ARCHITECTURE.md:301: "]);
    check(architecture_length, "docs/ALGORITHM.md", &"\n".repeat(301), &[]);
}

#[test]
fn a_name_that_says_nothing_is_found() {
    check(file_name, "crates/x/src/util.rs", "", &["crates/x/src/util.rs:1: `util`"]);
    check(file_name, "crates/x/src/a/mod.rs", "", &["crates/x/src/a/mod.rs:1: `mod`"]);
    check(file_name, "crates/x/src/types/a.rs", "", &["crates/x/src/types/a.rs:1: `types`"]);
    check(file_name, "crates/x/src/frame.rs", "", &[]);
}

#[test]
fn a_deep_folder_is_found() {
    check(folder_depth, "crates/x/src/a/b/c.rs", "", &[]);
    check(folder_depth, "crates/x/src/a/b/c/d.rs", "", &["crates/x/src/a/b/c/d.rs:1: "]);
}

#[test]
fn every_leftover_is_found() {
    for leftover in LEFTOVERS.map(word) {
        check(leftovers, "a.rs", &format!("//! A file.\n  {leftover}later\n"), &["a.rs:2: unfinished"]);
    }
    check(leftovers, "a.rs", "//! A file with nothing left to do.\n", &[]);
}

#[test]
fn a_test_that_does_not_run_is_found() {
    check(ignored_tests, "a.rs", &format!("#[test]\n{}]\n", word(IGNORED)), &["a.rs:2: "]);
}

#[test]
fn a_test_that_waits_for_time_is_found() {
    let sleep = word(SLEEP);
    check(sleeping_tests, "tests/a.rs", &format!("{sleep}1)"), &["tests/a.rs:1: "]);
    check(sleeping_tests, "crates/x/src/a/tests.rs", &format!("{sleep}1)"), &["crates/x/src/a/tests.rs:1: "]);
    let both = format!("{sleep}1)\nmod tests {{\n    {sleep}2)\n}}\n");
    check(sleeping_tests, "crates/x/src/a.rs", &both, &["crates/x/src/a.rs:3: "]);
    check(sleeping_tests, "tests/a.rs", &format!("#[tokio::test({PAUSED})]\n{sleep}1)"), &[]);
}

#[test]
fn a_long_function_is_found() {
    let of = |head: &str, lines: usize| {
        format!("impl X {{\n    {head}\n{}    }}\n}}\n", "        x;\n".repeat(lines - 2))
    };
    for head in ["fn a() {", "pub fn a() {", "pub(crate) const fn a() {", "pub async fn a() {", "fn a("] {
        check(function_length, "a.rs", &of(head, FUNCTION_LINES_MAX), &[]);
        check(
            function_length,
            "a.rs",
            &of(head, FUNCTION_LINES_MAX + 1),
            &["a.rs:2: a function of 71 lines"],
        );
    }
    let declared = format!("    fn a(\n        self,\n    ) -> X;\n{}    }}\n", "\n".repeat(80));
    check(function_length, "a.rs", &declared, &[]);
    check(function_length, "a.rs", &format!("    fn a(self);\n{}    }}\n", "\n".repeat(80)), &[]);
}

#[test]
fn a_path_of_one_machine_is_found() {
    for path in MACHINE_PATHS.map(word) {
        check(machine_paths, "docs/a.md", &format!("see\n{path}x\n"), &["docs/a.md:2: "]);
    }
    check(machine_paths, "docs/a.md", "network/ and /roots\n", &[]);
}

#[test]
fn generated_code_is_found() {
    check(generated_code, "a.rs", &format!("// This file is {} by prost.\n", word(GENERATED)), &["a.rs:1: "]);
}

#[test]
fn a_node_that_is_its_own_client_is_found() {
    let text = format!("use {}::Client;\n", word(CLIENT));
    check(
        client_in_node,
        "crates/node/src/engine/driver.rs",
        &text,
        &["crates/node/src/engine/driver.rs:1: "],
    );
    check(client_in_node, "crates/node/src/commands/read.rs", &text, &[]);
    check(client_in_node, "crates/node/src/cli.rs", &text, &[]);
    check(client_in_node, "tests/cluster.rs", &text, &[]);
}
