//! Files that are rendered by a test and reviewed like code.
//!
//! `UPDATE_EXPECT=1` writes them; otherwise they must be as they are.

use std::fs;
use std::path::Path;

/// Writes the file of this name below the folder of the tests, or compares it.
///
/// # Panics
/// When it is not as it was rendered.
pub(crate) fn check(name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, rendered).expect("the golden file is writable");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let differing = expected
        .lines()
        .zip(rendered.lines())
        .find(|(expected, rendered)| expected != rendered);
    assert!(
        expected == rendered,
        "{} differs, first at {differing:?}: UPDATE_EXPECT=1 writes it",
        path.display()
    );
}
