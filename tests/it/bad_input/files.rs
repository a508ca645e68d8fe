//! A folder as a value, to see that nothing in it was changed.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Mode, time of change and content of one entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    mode: u32,
    changed: (i64, i64),
    content: Option<u64>,
}

/// Everything below a folder.
pub(super) fn tree(folder: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).expect("the test owns its folder");
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).expect("the test owns its folder");
            waiting.extend(entries.map(|entry| entry.expect("it stays").path()));
        }
        let content = metadata.is_file().then(|| content(&path));
        let entry = Entry {
            mode: metadata.mode(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
            content,
        };
        found.insert(path, entry);
    }
    found
}

fn content(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(path)
        .expect("the test owns its files")
        .hash(&mut hasher);
    hasher.finish()
}

#[test]
fn tree_shows_changes_of_content_mode_and_names() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder for temporary files can be made");
    let file = folder.path().join("a/b");
    fs::create_dir(folder.path().join("a")).expect("it is empty");
    fs::write(&file, "one").expect("it is writable");
    let first = tree(folder.path());
    assert_eq!(first.len(), 3);
    assert_eq!(first, tree(folder.path()));

    fs::write(&file, "two").expect("it is writable");
    let second = tree(folder.path());
    assert_ne!(first, second);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let third = tree(folder.path());
    assert_ne!(second, third);

    fs::rename(&file, folder.path().join("a/c")).expect("it is ours");
    assert_ne!(third, tree(folder.path()));
}
