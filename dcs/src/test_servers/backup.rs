//! Copies of the data of servers that do not run.

use std::fs;
use std::path::Path;

/// Copies the folder `name` to a place beside it.
pub(super) fn make(folder: &Path, name: &str) {
    copy(&folder.join(name), &folder.join(place(name)));
}

/// Replaces the folder `name` by its copy.
pub(super) fn put_back(folder: &Path, name: &str) {
    copy(&folder.join(place(name)), &folder.join(name));
}

fn place(name: &str) -> String {
    format!("{name}.backup")
}

fn copy(from: &Path, to: &Path) {
    // There is nothing to remove the first time.
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("the folder of temporary files is writable");
    let entries = fs::read_dir(from).expect("there is data to copy");
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("data can be copied");
        }
    }
}
