// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Rules that the sources themselves must keep, as functions over text.

use std::collections::BTreeSet;

/// What the licence line of `path` must end with; `None` if the file needs none.
fn licence(path: &str) -> Option<&'static [&'static str]> {
    const DUAL: &[&str] = &["GPL-2.0-only OR MIT"];
    const KERNEL: &[&str] = &["GPL-2.0-only"];
    const EITHER: &[&str] = &["GPL-2.0-only OR MIT", "GPL-2.0-only"];
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let commented = matches!(
        extension,
        "rs" | "toml" | "c" | "h" | "S" | "sh" | "config" | "md"
    ) || matches!(
        name,
        "Kbuild" | "Makefile" | "run" | "build-root" | "in-root" | ".editorconfig"
    );
    if !commented {
        None
    } else if path.starts_with("driver/model/") || path.starts_with("helper/") {
        Some(DUAL)
    } else if path.starts_with("driver/") || path == "Kbuild" {
        Some(KERNEL)
    } else {
        Some(EITHER)
    }
}

/// Why the licence line of the file `path` with `text` is not what it should be.
///
/// It is the first line, or the second one after `#!`.
pub(crate) fn spdx(path: &str, text: &str) -> Option<String> {
    let allowed = licence(path)?;
    let line = text
        .lines()
        .find(|line| !line.starts_with("#!"))
        .unwrap_or_default();
    let Some((_, given)) = line.split_once("SPDX-License-Identifier: ") else {
        return Some(format!("{path}: no SPDX line"));
    };
    let given = given.trim_end_matches("*/").trim_end_matches("-->").trim();
    (!allowed.contains(&given)).then(|| {
        format!(
            "{path}: licence {given:?}, expected {:?}",
            allowed.join(" or ")
        )
    })
}

/// The lines of a Rust file that use `unsafe`, if `path` must not.
///
/// All of it belongs in `driver/abstractions`. Comments and lints such as `unsafe_code` do not count.
pub(crate) fn unsafe_lines(path: &str, text: &str) -> Vec<String> {
    let bound = path.starts_with("driver/")
        && !path.starts_with("driver/abstractions/")
        && path.ends_with(".rs");
    let uses = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|word| word == "unsafe")
    };
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| bound && uses(line));
    lines
        .map(|(index, line)| format!("{path}:{}: {}", index + 1, line.trim()))
        .collect()
}

/// What is wrong with the blocks of `sysfs-abi.md` (the format of the kernel's `Documentation/ABI`).
pub(crate) fn abi(text: &str) -> Vec<String> {
    const TAGS: [&str; 4] = ["Date", "KernelVersion", "Contact", "Description"];
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut blocks: Vec<(String, BTreeSet<&str>)> = Vec::new();
    let mut previous = "";
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((tag, value)) = line.split_once(':') else {
            continue;
        };
        if tag == "What" {
            let what = value.trim().to_owned();
            if !seen.insert(what.clone()) {
                wrong.push(format!("{what}: described twice"));
            }
            // Several What lines in a row share one block.
            if previous != "What" {
                blocks.push((what, BTreeSet::new()));
            }
        } else if let Some(&known) = TAGS.iter().find(|&&known| known == tag) {
            let continued = lines
                .peek()
                .is_some_and(|next| next.starts_with(['\t', ' ']));
            let Some((_, tags)) = blocks.last_mut() else {
                wrong.push(format!("{known} before the first What"));
                continue;
            };
            if continued || !value.trim().is_empty() {
                tags.insert(known);
            }
        } else {
            continue;
        }
        previous = tag;
    }
    for (what, tags) in &blocks {
        wrong.extend(
            TAGS.iter()
                .filter(|tag| !tags.contains(*tag))
                .map(|tag| format!("{what}: no {tag}")),
        );
    }
    if blocks.is_empty() {
        wrong.push("no block".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_lines() {
        for (path, text, good) in [
            (
                "driver/a.rs",
                "// SPDX-License-Identifier: GPL-2.0-only\n",
                true,
            ),
            (
                "driver/a.rs",
                "// SPDX-License-Identifier: GPL-2.0-only OR MIT\n",
                false,
            ),
            (
                "driver/a.rs",
                "\n// SPDX-License-Identifier: GPL-2.0-only\n",
                false,
            ),
            ("driver/a.rs", "", false),
            (
                "driver/h.h",
                "/* SPDX-License-Identifier: GPL-2.0-only */\n",
                true,
            ),
            (
                "driver/model/a.rs",
                "// SPDX-License-Identifier: GPL-2.0-only OR MIT\n",
                true,
            ),
            (
                "driver/model/a.rs",
                "// SPDX-License-Identifier: GPL-2.0-only\n",
                false,
            ),
            (
                "tests/vm/in-root",
                "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-only OR MIT\n",
                true,
            ),
            (
                "tests/vm/in-root",
                "#!/bin/sh\n\n# SPDX-License-Identifier: GPL-2.0-only OR MIT\n",
                false,
            ),
            ("helper/schemas/a.json", "{}", true),
            (
                "README.md",
                "<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n",
                true,
            ),
            ("README.md", "# vmig\n", false),
        ] {
            assert_eq!(spdx(path, text).is_none(), good, "{path} {text:?}");
        }
    }

    #[test]
    fn unsafe_is_found_in_code_only() {
        for (path, text, found) in [
            ("driver/a.rs", "let x = unsafe { y };", true),
            ("driver/a.rs", "unsafe impl Send for X {}", true),
            ("driver/model/a.rs", "    unsafe fn f() {}", true),
            ("driver/a.rs", "#![forbid(unsafe_code)]", false),
            ("driver/a.rs", "// unsafe is elsewhere", false),
            ("driver/abstractions/a.rs", "unsafe { x() }", false),
            ("helper/vfio/src/sys.rs", "unsafe { x() }", false),
        ] {
            assert_eq!(!unsafe_lines(path, text).is_empty(), found, "{path} {text}");
        }
    }

    #[test]
    fn abi_blocks_are_whole() {
        let block =
            "# title\n\nWhat:\t\t/sys/a\nWhat:\t\t/sys/b\nDate:\t\tNov 2026\nKernelVersion:\t7.3\n\
            Contact:\tx <x@y>\nDescription:\n\t\tSays: so.\n";
        assert_eq!(abi(block), [""; 0]);
        assert_eq!(abi(""), ["no block"]);
        assert_eq!(
            abi(&block.replace("Date:\t\tNov 2026\n", "")),
            ["/sys/a: no Date"]
        );
        assert_eq!(
            abi(&block.replace("/sys/b", "/sys/a")),
            ["/sys/a: described twice"]
        );
        assert_eq!(
            abi(&block.replace("\t\tSays: so.\n", "")),
            ["/sys/a: no Description"]
        );
    }
}
