// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! How many cases a property test tries.

use proptest::prelude::ProptestConfig;

/// `cases` of them, unless the environment's `PROPTEST_CASES` says how many; nothing is written
/// into the checkout.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    config
}
