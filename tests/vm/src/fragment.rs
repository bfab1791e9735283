// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Comparing a kernel config fragment with the configuration made from it.

/// The settings of a fragment: `CONFIG_X=value` and `# CONFIG_X is not set`, without comments.
fn settings(fragment: &str) -> impl Iterator<Item = &str> {
    fragment
        .lines()
        .map(str::trim_end)
        .filter(|line| line.starts_with("CONFIG_") || unset(line).is_some())
}

/// The settings of several fragments; one that comes again replaces the earlier one.
pub(crate) fn merged<'a>(fragments: &'a [String]) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    for line in fragments.iter().flat_map(|text| settings(text)) {
        all.retain(|earlier| option(earlier) != option(line));
        all.push(line);
    }
    all
}

/// `CONFIG_X` of either form of a setting.
fn option(line: &str) -> &str {
    unset(line).unwrap_or_else(|| line.split_once('=').map_or(line, |(name, _)| name))
}

/// `CONFIG_X` of a line `# CONFIG_X is not set`.
fn unset(line: &str) -> Option<&str> {
    line.strip_prefix("# ")?
        .strip_suffix(" is not set")
        .filter(|name| name.starts_with("CONFIG_") && !name.contains(' '))
}

/// The `settings` that did not make it into `config`.
///
/// An option that is to be off is also off when the configuration does not mention it.
pub(crate) fn lost<'a>(settings: &[&'a str], config: &str) -> Vec<&'a str> {
    let has = |wanted: &str| config.lines().any(|line| line == wanted);
    let sets = |name: &str| {
        config.lines().any(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('='))
        })
    };
    let lost = |line: &&&str| unset(line).map_or_else(|| !has(line), sets);
    settings.iter().filter(lost).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str =
        "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_LONG_A=y\nCONFIG_S=\"x\"\n";

    #[test]
    fn comments_are_no_settings() {
        let fragment = "# about CONFIG_A\n\nCONFIG_A=y\n# CONFIG_C is not set\n# a line `# CONFIG_X is not set`\n";
        assert_eq!(
            settings(fragment).collect::<Vec<_>>(),
            ["CONFIG_A=y", "# CONFIG_C is not set"]
        );
    }

    #[test]
    fn later_fragments_win() {
        let fragments = [
            "CONFIG_A=m\nCONFIG_B=y\nCONFIG_AB=y\n",
            "# CONFIG_B is not set\nCONFIG_A=y\n",
        ]
        .map(str::to_owned);
        assert_eq!(
            merged(&fragments),
            ["CONFIG_AB=y", "# CONFIG_B is not set", "CONFIG_A=y"]
        );
    }

    #[test]
    fn lost_lines() {
        for (fragment, expected) in [
            ("CONFIG_A=y", None),
            ("CONFIG_A=m", Some("CONFIG_A=m")),
            ("CONFIG_B=y", Some("CONFIG_B=y")),
            ("CONFIG_C=y", Some("CONFIG_C=y")),
            ("CONFIG_GONE=y", Some("CONFIG_GONE=y")),
            ("CONFIG_S=\"x\"", None),
            ("# CONFIG_C is not set", None),
            ("# CONFIG_GONE is not set", None),
            ("# CONFIG_B is not set", Some("# CONFIG_B is not set")),
            ("# CONFIG_LONG is not set", None),
        ] {
            assert_eq!(
                lost(&[fragment], CONFIG),
                Vec::from_iter(expected),
                "{fragment}"
            );
        }
    }
}
