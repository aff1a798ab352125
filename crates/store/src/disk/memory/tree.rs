//! Names of files and directories. A disk has two trees: what is there now, and what would be after a power
//! loss. Both name the same contents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use rand::Rng;
use rand::rngs::SmallRng;

use super::content::Content;
use super::lock;

type Shared = Arc<Mutex<Content>>;

/// Files and directories by path; the root is always there.
#[derive(Clone, Default)]
pub(super) struct Tree {
    files: BTreeMap<String, Shared>,
    directories: BTreeSet<String>,
}

impl Tree {
    pub(super) fn file(&self, path: &str) -> Option<Shared> {
        self.files.get(path).cloned()
    }

    pub(super) fn put(&mut self, path: &str, content: Shared) {
        self.files.insert(path.to_owned(), content);
    }

    pub(super) fn take(&mut self, path: &str) -> Option<Shared> {
        self.files.remove(path)
    }

    pub(super) fn has_directory(&self, path: &str) -> bool {
        path.is_empty() || self.directories.contains(path)
    }

    /// Adds a directory and its parents.
    pub(super) fn add_directory(&mut self, path: &str) {
        let mut path = path;
        while !path.is_empty() {
            self.directories.insert(path.to_owned());
            path = parent(path);
        }
    }

    pub(super) fn contents(&self) -> impl Iterator<Item = &Shared> {
        self.files.values()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, directory: &str) -> Vec<String> {
        let files = self.files_in(directory).map(|(path, _)| path);
        let paths = files.chain(self.directories.iter().filter(|path| parent(path) == directory));
        let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = paths.map(name).collect();
        names.sort();
        names
    }

    /// The tree below a directory, as one of its own.
    pub(super) fn below(&self, directory: &str) -> Tree {
        let rest = |path: &str| path.strip_prefix(directory)?.strip_prefix('/').map(str::to_owned);
        let files = self.files.iter();
        Tree {
            files: files.filter_map(|(path, content)| Some((rest(path)?, Arc::clone(content)))).collect(),
            directories: self.directories.iter().filter_map(|path| rest(path)).collect(),
        }
    }

    /// Makes the names in a directory those of another tree.
    pub(super) fn take_over(&mut self, other: &Tree, directory: &str) {
        let gone = |(path, _): &(&String, &Shared)| !other.files.contains_key(*path);
        let gone: Vec<String> = self.files_in(directory).filter(gone).map(|(path, _)| path.clone()).collect();
        gone.iter().for_each(|path| drop(self.files.remove(path)));
        for (path, content) in other.files_in(directory) {
            match self.files.get_mut(path) {
                Some(known) if Arc::ptr_eq(known, content) => {}
                Some(known) => *known = Arc::clone(content),
                None => drop(self.files.insert(path.clone(), Arc::clone(content))),
            }
        }
        let here = |path: &String| parent(path) == directory;
        self.directories.retain(|path| !here(path) || other.directories.contains(path));
        self.directories.extend(other.directories.iter().filter(|path| here(path)).cloned());
    }

    /// The files in a directory itself. Their paths lie together, with those of the directories below it.
    fn files_in<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a String, &'a Shared)> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let len = prefix.len();
        let below = self.files.range(prefix.clone()..).take_while(move |(path, _)| path.starts_with(&prefix));
        below.filter(move |(path, _)| path.get(len..).is_some_and(|name| !name.contains('/')))
    }

    /// Of every name either what this tree says or what the other says.
    pub(super) fn mixed(&self, other: &Tree, rng: &mut SmallRng) -> Tree {
        let mut mixed = Tree::default();
        let paths: BTreeSet<&String> = self.files.keys().chain(other.files.keys()).collect();
        for path in paths {
            let source = if rng.random_bool(0.5) { self } else { other };
            if let Some(content) = source.file(path) {
                mixed.put(path, content);
            }
        }
        let directories: BTreeSet<&String> = self.directories.union(&other.directories).collect();
        for path in directories {
            let source = if rng.random_bool(0.5) { self } else { other };
            if source.directories.contains(path) {
                mixed.directories.insert(path.clone());
            }
        }
        mixed
    }

    /// What is left without the names below directories that are not there.
    pub(super) fn reachable(&self) -> Tree {
        let is_there = |path: &str| {
            std::iter::successors(Some(parent(path)), |path| (!path.is_empty()).then(|| parent(path)))
                .all(|directory| self.has_directory(directory))
        };
        let files = self.files.iter().filter(|(path, _)| is_there(path));
        Tree {
            files: files.map(|(path, content)| (path.clone(), Arc::clone(content))).collect(),
            directories: self.directories.iter().filter(|path| is_there(path)).cloned().collect(),
        }
    }
}

/// Both trees of a disk with contents of their own.
pub(super) fn fork(live: &Tree, durable: &Tree) -> (Tree, Tree) {
    let mut copies: HashMap<*const Mutex<Content>, Shared> = HashMap::new();
    let mut copy = |tree: &Tree| {
        let mut fork = Tree { files: BTreeMap::new(), directories: tree.directories.clone() };
        for (path, content) in &tree.files {
            let copy = copies
                .entry(Arc::as_ptr(content))
                .or_insert_with(|| Arc::new(Mutex::new(lock(content).clone())));
            fork.put(path, Arc::clone(copy));
        }
        fork
    };
    (copy(live), copy(durable))
}

/// The directory that holds a path.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
