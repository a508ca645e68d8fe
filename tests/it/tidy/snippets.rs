//! Code in the documents is code that is compiled: it is copied out of an example, line by line.
//! A line `// ...` stands for what is left out.

use super::{SourceFile, expect_none, expect_one, files};

#[test]
fn code_in_the_documents_is_in_an_example() {
    expect_none(&invented(files()));
}

fn invented(files: &[SourceFile]) -> Vec<String> {
    let is_document = |file: &&SourceFile| file.path.ends_with(".md");
    let examples = files.iter().filter(|file| {
        file.is_rust() && (file.path.starts_with("examples/") || file.path.contains("/tests/"))
    });
    let examples: Vec<Vec<&str>> = examples.map(|file| lines(&file.text)).collect();
    let mut problems = Vec::new();
    for document in files.iter().filter(is_document) {
        for (number, block) in blocks(&document.text) {
            let pieces: Vec<&[&str]> = block.split(|line| *line == "// ...").collect();
            let has_all = |example: &Vec<&str>| pieces.iter().all(|piece| has(example, piece));
            if !examples.iter().any(has_all) {
                problems.push(format!("{}:{number}: no example has it", document.path));
            }
        }
    }
    problems
}

/// The blocks of Rust, each with the number of its first line.
fn blocks(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines().map(str::trim));
    while let Some((number, line)) = lines.next() {
        if line.starts_with("```rust") {
            let code = lines.by_ref().map(|(_, line)| line);
            let code = code.take_while(|line| *line != "```");
            blocks.push((number, code.filter(|line| !line.is_empty()).collect()));
        }
    }
    blocks
}

fn lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

fn has(example: &[&str], piece: &[&str]) -> bool {
    piece.is_empty() || example.windows(piece.len()).any(|window| window == piece)
}

#[test]
fn invented_code_is_found_and_copied_code_is_not() {
    let example = SourceFile::new(
        "examples/a/src/main.rs",
        "fn a() {\n    b();\n\n    c();\n}\n",
    );
    let document = |code: &str| SourceFile::new("README.md", &format!("x\n```rust\n{code}```\n"));
    let found = |code: &str| invented(&[example.clone(), document(code)]);
    expect_none(&found("b();\nc();\n"));
    expect_none(&found("fn a() {\n// ...\nc();\n"));
    expect_one(&found("b();\nd();\n"), "README.md:2");
    expect_one(&found("fn a() {\nc();\n"), "README.md:2");
}
