//! What README says to type.

/// The block of code in README that has this in it.
pub fn block(has: &str) -> String {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```").skip(1).step_by(2);
    let mut found = blocks.filter(|block| block.contains(has));
    let block = found
        .next()
        .unwrap_or_else(|| panic!("no block with {has}"));
    let (_language, code) = block.split_once('\n').expect("lines");
    code.to_owned()
}
