// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Markdown: the catalogue, as `tests/CONFORMANCE.md` has it.

use std::fmt::Write;

use crate::catalogue::{
    sections,
    Protocol,
    Statement, //
};

/// These statements: one table per section of the catalogue.
pub fn catalogue(chosen: &[&Statement]) -> String {
    let mut page = String::new();
    for section in sections() {
        let has = |statement: &&Statement| chosen.iter().any(|other| other.id == statement.id);
        let mut statements = section.statements.iter().filter(has).peekable();
        let Some(first) = statements.peek() else {
            continue;
        };
        let protocol = first.id.protocol;
        if !page.is_empty() {
            page.push('\n');
        }
        add(
            &mut page,
            format_args!("### {} ({protocol})\n", section.title),
        );
        page.push_str("| | class | statement | where it is promised |\n|---|---|---|---|\n");
        for statement in statements {
            let mark = match (statement.destructive, statement.kernel_only()) {
                // All of v1 is.
                (false, Some(_)) if statement.id.protocol == Protocol::V2 => " (kernel only)",
                (true, Some(_)) if statement.id.protocol == Protocol::V2 => {
                    " (destructive, kernel only)"
                }
                (true, _) => " (destructive)",
                (false, _) => "",
            };
            add(
                &mut page,
                format_args!(
                    "| {} | {}{mark} | {} | {} |",
                    statement.id, statement.class, statement.text, statement.reference
                ),
            );
        }
    }
    page
}

fn add(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::statements;

    #[test]
    fn the_page_has_a_row_for_each_statement() {
        let all: Vec<_> = statements().collect();
        let page = catalogue(&all);
        for statement in statements() {
            let row = format!("| {} | {}", statement.id, statement.class);
            assert_eq!(page.matches(&row).count(), 1, "{row}");
        }
        assert!(!page.contains("\n\n\n"));
    }
}
